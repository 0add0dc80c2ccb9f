// Package csp makes the Content-Security-Policy of a page that carries its own
// script and style. It does not know what the page is about.
package csp

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
)

// Inline lets a page run the one script and the one style between its bare
// <script> and <style> tags, known by their digests, and connect to what the
// source list connect says; nothing else. Content Security Policy Level 3, 2.3.1.
func Inline(page []byte, connect string) string {
	return "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; img-src data:; " +
		"connect-src " + connect + "; script-src " + digest(page, "<script>", "</script>") + "; style-src " + digest(page, "<style>", "</style>")
}

// digest is the source expression for what stands between two tags.
func digest(page []byte, open, end string) string {
	_, rest, _ := bytes.Cut(page, []byte(open))
	inner, _, _ := bytes.Cut(rest, []byte(end))
	sum := sha256.Sum256(inner)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
