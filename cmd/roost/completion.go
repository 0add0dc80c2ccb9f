package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// completeCommand is what the scripts call with the words before the cursor. It
// is no command of its own, since nobody types it.
const completeCommand = "__complete"

var completionScripts = map[string]string{
	"bash": `# bash completion for roost: source <(roost completion bash)
_roost() {
	local IFS=$'\n'
	COMPREPLY=($(roost ` + completeCommand + ` "${COMP_WORDS[@]:1:COMP_CWORD}"))
}
complete -o default -F _roost roost
`,
	"zsh": `#compdef roost
# zsh completion for roost: source <(roost completion zsh), after compinit
_roost() {
	local -a found
	found=(${(f)"$(roost ` + completeCommand + ` "${(@)words[2,CURRENT]}")"})
	if (( $#found )); then compadd -a -- found; else _files; fi
}
compdef _roost roost
`,
	"fish": `# fish completion for roost: roost completion fish | source
complete -c roost -a '(roost ` + completeCommand + ` (commandline -opc)[2..-1] (commandline -ct))'
`,
}

func (c *completionCmd) Run(env environment) error {
	_, err := fmt.Fprint(env.stdout, completionScripts[c.Shell])
	return err
}

// complete prints what the last of words may become, one to a line.
func complete(env environment, app *kong.Application, words []string) error {
	if len(words) == 0 {
		words = []string{""}
	}
	before, last := words[:len(words)-1], words[len(words)-1]
	node := app.Node
	for _, word := range before {
		if i := slices.IndexFunc(node.Children, func(n *kong.Node) bool { return n.Name == word }); i >= 0 {
			node = node.Children[i]
		}
	}
	flags := slices.Concat(node.Flags, app.Flags)
	for _, flag := range flags {
		if len(before) > 0 && before[len(before)-1] == "--"+flag.Name && !flag.IsBool() {
			return printMatches(env, flag.EnumSlice(), last) // none if any value will do
		}
	}
	var found []string
	switch {
	case strings.HasPrefix(last, "-"):
		for _, flag := range flags {
			found = append(found, "--"+flag.Name)
		}
	case node == app.Node:
		for _, child := range node.Children {
			found = append(found, child.Name)
		}
	case len(node.Positional) > 0:
		found = node.Positional[0].EnumSlice()
	}
	return printMatches(env, found, last)
}

func printMatches(env environment, found []string, start string) error {
	slices.Sort(found)
	for _, word := range slices.Compact(found) {
		if strings.HasPrefix(word, start) && word != "" {
			fmt.Fprintln(env.stdout, word)
		}
	}
	return nil
}
