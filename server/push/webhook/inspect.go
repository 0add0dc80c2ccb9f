package webhook

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
)

// inspection reads a file of bbolt without bbolt. That trusts what a page says
// about itself: a wrong number makes it panic, fault, or follow its own tail
// until memory is used up, its Check included. Here every page is read once,
// and nothing is believed before it was compared with the size of the file.
// The format (version 2) has not changed since 2014; bbolt refuses another one.
type inspection struct {
	file    io.ReaderAt
	size    int64 // of the file
	meta    meta
	used    []bool // by page
	last    []byte // the key read last
	records []kept
	damage  error // the first
}

// The numbers of bbolt's format. Everything is in the machine's byte order.
const (
	pageHeader   = 16 // id, flags, count, overflow
	pageElement  = 16 // of leaves and branches
	flagBranch   = 1
	flagLeaf     = 2
	flagFreelist = 16
	bucketHeader = 16 // root page and sequence
	isBucket     = 1  // flag of a leaf's element
	metaBytes    = 64 // the last 8 are the checksum
	metaMagic    = 0xED0CDAED
	metaVersion  = 2
	minPage      = 1 << 10
	maxPage      = 64 << 10
	maxDepth     = 64 // of a tree: more cannot be with two keys to a page
)

var order = binary.NativeEndian

// meta is the page that says where everything is. There are two; the one of the
// later transaction counts.
type meta struct {
	pageSize             int64
	root, freelist, high uint64 // high is the number of pages
	txid                 uint64
}

// inspect returns all records of the file that are whole, the transaction they
// are of, and what is wrong with the file.
func inspect(file io.ReaderAt, size int64) (records []kept, txid uint64, damage error) {
	in := &inspection{file: file, size: size}
	if !in.readMeta() {
		return nil, 0, fmt.Errorf("%w: there is no page that describes it", errDamaged)
	}
	if in.meta.high < 4 || in.meta.high > uint64(size/in.meta.pageSize) {
		return nil, 0, fmt.Errorf("%w: it is cut short", errDamaged)
	}
	in.used = make([]bool, in.meta.high)
	in.used[0], in.used[1] = true, true
	in.tree(in.meta.root, 0, in.root)
	in.freelist()
	if i := slices.Index(in.used, false); i >= 0 {
		in.fault("page %d is neither used nor free", i)
	}
	return in.records, in.meta.txid, in.damage
}

func (in *inspection) fault(format string, args ...any) {
	if in.damage == nil {
		in.damage = fmt.Errorf("%w: %s", errDamaged, fmt.Sprintf(format, args...))
	}
}

// readMeta finds the meta page that counts. When the first one is lost, the
// size of pages is, too, and the second one is looked for.
func (in *inspection) readMeta() bool {
	if first, ok := in.metaAt(0); ok {
		in.meta = first
		second, ok := in.metaAt(first.pageSize)
		switch {
		case !ok:
			in.fault("the second page is lost, and maybe the last change")
		case second.txid > first.txid:
			in.meta = second
		}
		return true
	}
	in.fault("the first page is lost, and maybe the last change")
	for size := int64(minPage); size <= maxPage; size *= 2 {
		if second, ok := in.metaAt(size); ok && second.pageSize == size {
			in.meta = second
			return true
		}
	}
	return false
}

// metaAt reads a meta page.
func (in *inspection) metaAt(offset int64) (meta, bool) {
	var b [pageHeader + metaBytes]byte
	if _, err := in.file.ReadAt(b[:], offset); err != nil {
		return meta{}, false
	}
	m := b[pageHeader:]
	sum := fnv.New64a()
	sum.Write(m[:metaBytes-8])
	if order.Uint32(m) != metaMagic || order.Uint32(m[4:]) != metaVersion || order.Uint64(m[56:]) != sum.Sum64() {
		return meta{}, false
	}
	size := int64(order.Uint32(m[8:]))
	return meta{
		pageSize: size, root: order.Uint64(m[16:]), freelist: order.Uint64(m[32:]),
		high: order.Uint64(m[40:]), txid: order.Uint64(m[48:]),
	}, size >= minPage && size <= maxPage
}

// page returns the page with the given number, and those that continue it.
func (in *inspection) page(id uint64, flags ...uint16) ([]byte, bool) {
	if id >= in.meta.high {
		in.fault("there is no page %d", id)
		return nil, false
	}
	var header [pageHeader]byte
	offset := int64(id) * in.meta.pageSize
	if _, err := in.file.ReadAt(header[:], offset); err != nil {
		in.fault("page %d: %v", id, err)
		return nil, false
	}
	n := 1 + uint64(order.Uint32(header[12:]))
	if order.Uint64(header[:]) != id || !slices.Contains(flags, order.Uint16(header[8:])) || n > in.meta.high-id {
		in.fault("page %d is not what it should be", id)
		return nil, false
	}
	pages := in.used[id : id+n]
	if slices.Contains(pages, true) {
		in.fault("page %d is used twice", id)
		return nil, false
	}
	for i := range pages {
		pages[i] = true
	}
	b := make([]byte, int64(n)*in.meta.pageSize)
	if _, err := in.file.ReadAt(b, offset); err != nil {
		in.fault("page %d: %v", id, err)
		return nil, false
	}
	return b, true
}

// tree calls leaf with every page of leaves below the page, in order. What is
// lost of a tree does not keep the rest from being read.
func (in *inspection) tree(id uint64, depth int, leaf func([]byte)) {
	b, ok := in.page(id, flagBranch, flagLeaf)
	switch {
	case !ok:
		return
	case order.Uint16(b[8:]) == flagLeaf:
		leaf(b)
		return
	case depth == maxDepth || order.Uint16(b[10:]) == 0:
		in.fault("page %d is no branch", id)
		return
	}
	for i := range int(order.Uint16(b[10:])) {
		at := pageHeader + i*pageElement
		if at+pageElement > len(b) {
			in.fault("page %d is too short", id)
			return
		}
		key, ok := cut(b[at:], uint64(order.Uint32(b[at:])), uint64(order.Uint32(b[at+4:])))
		if !ok || in.last != nil && bytes.Compare(key, in.last) <= 0 {
			in.fault("page %d: a branch is not in its place", id)
		}
		before := in.last
		in.tree(order.Uint64(b[at+8:]), depth+1, func(b []byte) {
			// The first key below a branch is that of the branch, or a later one.
			if first, _, _, ok := element(b, 0); ok && bytes.Compare(first, key) < 0 && bytes.Equal(in.last, before) {
				in.fault("page %d: a leaf is before its branch", id)
			}
			leaf(b)
		})
	}
}

// element returns the i-th entry of a page of leaves.
func element(b []byte, i int) (key, value []byte, flags uint32, ok bool) {
	at := pageHeader + i*pageElement
	if at+pageElement > len(b) || i >= int(order.Uint16(b[10:])) {
		return nil, nil, 0, false
	}
	pos, keySize, valueSize := uint64(order.Uint32(b[at+4:])), uint64(order.Uint32(b[at+8:])), uint64(order.Uint32(b[at+12:]))
	key, ok = cut(b[at:], pos, keySize)
	if ok {
		value, ok = cut(b[at:], pos+keySize, valueSize)
	}
	return key, value, order.Uint32(b[at:]), ok
}

// cut returns n bytes of b, if it has them.
func cut(b []byte, at, n uint64) ([]byte, bool) {
	if at > uint64(len(b)) || n > uint64(len(b))-at {
		return nil, false
	}
	return b[at : at+n], true
}

// root reads the leaves of the tree of buckets, which has one, or none yet.
func (in *inspection) root(b []byte) {
	for i := range int(order.Uint16(b[10:])) {
		key, value, flags, ok := element(b, i)
		if !ok || i > 0 || flags != isBucket || len(value) < bucketHeader || !bytes.Equal(key, boltBucket) {
			in.fault("the list of buckets is not ours")
			return
		}
		in.last = nil
		root, inline := order.Uint64(value), value[bucketHeader:]
		switch {
		case root != 0:
			in.tree(root, 0, in.leaves)
		case len(inline) >= pageHeader && order.Uint16(inline[8:]) == flagLeaf:
			in.leaves(inline) // a small bucket lies in the value
		default:
			in.fault("the bucket has no page")
		}
	}
}

// leaves reads records.
func (in *inspection) leaves(b []byte) {
	for i := range int(order.Uint16(b[10:])) {
		key, value, flags, ok := element(b, i)
		if !ok || flags != 0 || len(key) != 8 || in.last != nil && bytes.Compare(key, in.last) <= 0 {
			in.fault("a record is not in its place")
			continue
		}
		in.last = key
		id := binary.BigEndian.Uint64(key)
		r, err := parseRecord(id, value)
		if err != nil {
			in.fault("%v", err)
			continue
		}
		in.records = append(in.records, kept{id, r})
	}
}

// freelist checks that what is free is not used as well.
func (in *inspection) freelist() {
	b, ok := in.page(in.meta.freelist, flagFreelist)
	if !ok {
		return
	}
	n, ids := uint64(order.Uint16(b[10:])), b[pageHeader:]
	if n == 0xffff { // the real number does not fit there
		n, ids = order.Uint64(ids), ids[8:]
	}
	if n > uint64(len(ids)/8) {
		in.fault("the list of free pages is too short")
		return
	}
	for i := range n {
		id := order.Uint64(ids[8*i:])
		if id >= in.meta.high || in.used[id] {
			in.fault("page %d is free and used", id)
			return
		}
		in.used[id] = true
	}
}
