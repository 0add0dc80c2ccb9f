// Package report turns the samples of a benchmark into what people and
// programs read: a table for the terminal, lines of JSON. It measures nothing
// and it hides nothing: a server that is missing or failed is named with the
// reason.
package report
