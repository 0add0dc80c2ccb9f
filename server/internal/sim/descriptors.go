package sim

import (
	"container/heap"
	"fmt"
	"sort"
	"syscall"
)

// file is what a descriptor stands for.
type file interface{ kind() string }

// descriptors is the table of a process: the lowest free number is given out
// first, so numbers are used again as soon as can be.
type descriptors struct {
	files  []file
	freed  numbers // below len(files)
	open   int
	limit  int // RLIMIT_NOFILE
	offset int // of the first number; standard input, output and error are below it
}

func (d *descriptors) full(n int) bool { return d.open+n+d.offset > d.limit }

// add opens a descriptor; there must be room.
func (d *descriptors) add(f file) (fd int) {
	d.open++
	if d.freed.Len() > 0 {
		i := heap.Pop(&d.freed).(int)
		d.files[i] = f
		return i + d.offset
	}
	d.files = append(d.files, f)
	return len(d.files) - 1 + d.offset
}

// get returns nil for a descriptor that is not open.
func (d *descriptors) get(fd int) file {
	if i := fd - d.offset; i >= 0 && i < len(d.files) {
		return d.files[i]
	}
	return nil
}

func (d *descriptors) remove(fd int) {
	d.files[fd-d.offset] = nil
	heap.Push(&d.freed, fd-d.offset)
	d.open--
}

// numbers is a heap of free numbers.
type numbers struct{ sort.IntSlice }

func (n *numbers) Push(x any) { n.IntSlice = append(n.IntSlice, x.(int)) }
func (n *numbers) Pop() any {
	last := n.Len() - 1
	x := n.IntSlice[last]
	n.IntSlice = n.IntSlice[:last]
	return x
}

// Open returns how many descriptors are open, those of listeners and pollers included.
func (k *Kernel) Open() int { return k.table.open }

// Leaks lists the descriptors that are open, for the end of a test.
func (k *Kernel) Leaks() []string {
	var leaks []string
	for i, f := range k.table.files {
		if f != nil {
			leaks = append(leaks, fmt.Sprintf("fd %d: %s", i+k.table.offset, f.kind()))
		}
	}
	return leaks
}

// Limit sets RLIMIT_NOFILE. Descriptors beyond it stay open.
func (k *Kernel) Limit(descriptors int) { k.table.limit = descriptors }

// notOpen is the violation of using a descriptor that is not open, or not of the right kind.
func (k *Kernel) notOpen(c call, fd int) error {
	if f := k.table.get(fd); f != nil {
		k.world.violate("%v on fd %d, which is a %s", c, fd, f.kind())
		return syscall.ENOTSOCK
	}
	k.world.violate("%v on fd %d, which is not open", c, fd)
	return syscall.EBADF
}
