// Package million holds very many idle connections at one server and finds out
// what they cost: it opens them, lets them rest, has every one of them answer
// and reads the memory of the server and of the kernel before and after.
//
// How many one process may hold depends on the machine, so there are several
// ways, and a Record says which one it was: one server process, several of
// them, one process in a user-mode Linux kernel that has limits of its own, or
// no sockets at all, with package server on a simulated kernel.
package million
