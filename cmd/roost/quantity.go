package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// quantity is a number from 1. Left out it is the default; 0 would look like
// "none" and mean the default, so it is refused. It is a struct because only then
// files have their numbers checked, too.
type quantity struct{ n int }

func (q *quantity) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(strings.ReplaceAll(string(text), "_", "")) // 10_000 is a number in TOML
	if err != nil || n < 1 {
		return fmt.Errorf("%q is not a number from 1: leave it out for the default", text)
	}
	q.n = n
	return nil
}

func (q quantity) String() string { return strconv.Itoa(q.n) }

// size is a byteSize of which files have their numbers checked, too.
type size struct{ byteSize }

// span is a duration that has to take some time.
type span time.Duration

func (s *span) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err != nil || d <= 0 {
		return fmt.Errorf("%q is not a duration from 1ns: write 30s or 2m, or leave it out for the default", text)
	}
	*s = span(d)
	return nil
}

func (s span) String() string { return time.Duration(s).String() }
