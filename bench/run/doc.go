// Package run knows the servers that can be compared, builds them, and starts
// and stops them as child processes. It does not know what is measured.
package run
