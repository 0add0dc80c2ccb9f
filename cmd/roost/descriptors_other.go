//go:build !unix

package main

// raiseLimit reports that there is no limit to raise.
func raiseLimit() uint64 { return 0 }
