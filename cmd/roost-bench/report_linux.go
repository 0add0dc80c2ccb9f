package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/roost-ws/roost/bench/report"
)

// reportCmd shows results that were measured before.
type reportCmd struct {
	File     string `arg:"" optional:"" help:"Results file; the newest below tmp/bench by default." type:"existingfile"`
	Baseline string `help:"Server that ratios refer to; best stands for the best Go peer of each case." default:"gorilla"`
	HTML     string `name:"html" help:"Write a self-contained page with charts to this file." type:"path"`
	Charts   string `help:"Write every chart as SVG and PNG into this folder." type:"path"`
	Markdown string `help:"Replace the part between the roost-bench marks of this Markdown file." type:"existingfile"`
	Summary  string `help:"Likewise, with one table of the deciding figures." type:"existingfile"`
}

func (c *reportCmd) Run(all *cli) error {
	path := c.File
	if path == "" {
		found, err := filepath.Glob(filepath.Join(all.Root, "tmp", "bench", "*.jsonl"))
		if err != nil || len(found) == 0 {
			return fmt.Errorf("no results below %s: measure first, or name a file", filepath.Join(all.Root, "tmp", "bench"))
		}
		path = found[len(found)-1] // their names begin with the time
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	results, err := report.Read(file)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if c.HTML == "" && c.Charts == "" && c.Markdown == "" && c.Summary == "" {
		results.Table(os.Stdout, c.Baseline)
		return nil
	}
	if c.HTML != "" {
		if err := writeHTML(results, c.HTML, c.Baseline); err != nil {
			return err
		}
	}
	if c.Charts != "" {
		names, err := results.Charts(c.Charts, c.Baseline)
		if err != nil {
			return err
		}
		fmt.Printf("%d charts in %s\n", len(names), c.Charts)
	}
	if c.Summary != "" {
		if err := results.UpdateSummary(c.Summary, c.Baseline); err != nil {
			return err
		}
	}
	if c.Markdown != "" {
		return results.UpdateMarkdown(c.Markdown, c.Baseline)
	}
	return nil
}

func writeHTML(results *report.Results, path, baseline string) error {
	page, err := os.Create(path)
	if err != nil {
		return err
	}
	defer page.Close()
	if err := results.HTML(page, baseline); err != nil {
		return err
	}
	fmt.Println("page:", path)
	return page.Close()
}
