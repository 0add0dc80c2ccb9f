package proc

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Kernel is what the kernel keeps for sockets, of the whole machine, in bytes.
// Both ends of a loopback connection are in it.
type Kernel struct {
	TCP    int               `json:"tcp"`    // TCP sockets allocated
	Queued uint64            `json:"queued"` // bytes in socket buffers
	Slab   map[string]uint64 `json:"slab"`   // bytes by slab cache; empty when not readable
}

// socketCaches are the slab caches in which an open connection has objects.
var socketCaches = map[string]bool{
	"TCP": true, "TCPv6": true, "sock_inode_cache": true, "dentry": true,
	"filp": true, "eventpoll_epi": true, "eventpoll_pwq": true, "ep_head": true,
	"tw_sock_TCP": true, "request_sock_TCP": true, "tcp_bind_bucket": true, "tcp_bind2_bucket": true,
}

// SlabBytes is the sum over the caches.
func (k Kernel) SlabBytes() uint64 {
	var sum uint64
	for _, n := range k.Slab {
		sum += n
	}
	return sum
}

// KernelNow reads the kernel's socket memory. The slab sizes are left out
// where only another user may read them.
func KernelNow() (Kernel, error) {
	k := Kernel{Slab: map[string]uint64{}}
	text, err := os.ReadFile("/proc/net/sockstat")
	if err != nil {
		return k, fmt.Errorf("proc: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 3 || f[0] != "TCP:" {
			continue
		}
		for i := 1; i+1 < len(f); i += 2 {
			n, _ := strconv.Atoi(f[i+1])
			switch f[i] {
			case "alloc":
				k.TCP = n
			case "mem":
				k.Queued = uint64(n) * uint64(os.Getpagesize())
			}
		}
	}
	if slab, err := os.Open("/proc/slabinfo"); err == nil {
		defer slab.Close()
		for s := bufio.NewScanner(slab); s.Scan(); {
			// name active_objs num_objs objsize objperslab pagesperslab ...
			f := strings.Fields(s.Text())
			if len(f) > 3 && socketCaches[f[0]] {
				active, _ := strconv.ParseUint(f[1], 10, 64)
				size, _ := strconv.ParseUint(f[3], 10, 64)
				k.Slab[f[0]] = active * size
			}
		}
	}
	return k, nil
}
