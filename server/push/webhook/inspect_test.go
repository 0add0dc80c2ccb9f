package webhook

import (
	"bytes"
	"strings"
	"testing"
)

// pageOf returns a page of a file that is in use, and its number.
func pageOf(t *testing.T, file []byte, flag uint16) ([]byte, uint64) {
	t.Helper()
	in := &inspection{file: bytes.NewReader(file), size: int64(len(file))}
	if !in.readMeta() {
		t.Fatal("no meta page")
	}
	in.used = make([]bool, in.meta.high)
	in.tree(in.meta.root, 0, in.root)
	in.used[in.meta.freelist] = true
	for id := range in.meta.high {
		p := file[int64(id)*in.meta.pageSize:][:in.meta.pageSize]
		if in.used[id] && order.Uint16(p[8:]) == flag && order.Uint16(p[10:]) > 1 {
			return p, id
		}
	}
	t.Fatal("no such page")
	return nil, 0
}

// lies are changes of one number that make bbolt panic, fault, use a page for
// two things, or never return. For the rest the file is as good as any.
var lies = map[string]struct {
	change func(t *testing.T, b []byte)
	want   string
}{
	"a branch that leads to itself": {func(t *testing.T, b []byte) {
		p, id := pageOf(t, b, flagBranch)
		order.PutUint64(p[pageHeader+8:], id)
	}, "is used twice"},
	"branches in circles": {func(t *testing.T, b []byte) {
		p, id := pageOf(t, b, flagBranch)
		for i := range int(order.Uint16(p[10:])) {
			order.PutUint64(p[pageHeader+i*pageElement+8:], id)
		}
	}, "is used twice"},
	"a branch out of the file": {func(t *testing.T, b []byte) {
		p, _ := pageOf(t, b, flagBranch)
		order.PutUint64(p[pageHeader+8:], 1<<40)
	}, "there is no page"},
	"a branch that is too long": {func(t *testing.T, b []byte) {
		p, _ := pageOf(t, b, flagBranch)
		order.PutUint16(p[10:], 0xffff)
	}, "damaged"},
	"branches that change places": {func(t *testing.T, b []byte) {
		p, _ := pageOf(t, b, flagBranch)
		first, second := order.Uint64(p[pageHeader+8:]), order.Uint64(p[pageHeader+pageElement+8:])
		order.PutUint64(p[pageHeader+8:], second)
		order.PutUint64(p[pageHeader+pageElement+8:], first)
	}, "not in its place"},
	"a key that is larger than its branch's": {func(t *testing.T, b []byte) {
		p, _ := pageOf(t, b, flagBranch)
		at := pageHeader + pageElement
		key := p[at+int(order.Uint32(p[at:])):][:8]
		clear(key)
	}, "a branch is not in its place"},
	"a key that is smaller than its branch's": {func(t *testing.T, b []byte) {
		p, _ := pageOf(t, b, flagBranch)
		at := pageHeader + pageElement
		p[at+int(order.Uint32(p[at:]))+7]++
	}, "a leaf is before its branch"},
	"a page that goes on for ever": {func(t *testing.T, b []byte) {
		p, _ := pageOf(t, b, flagLeaf)
		order.PutUint32(p[12:], 1<<31)
	}, "is not what it should be"},
	"a value that goes on for ever": {func(t *testing.T, b []byte) {
		p, _ := pageOf(t, b, flagLeaf)
		order.PutUint32(p[pageHeader+12:], 1<<31)
	}, "a record is not in its place"},
	"a leaf that is too long": {func(t *testing.T, b []byte) {
		p, _ := pageOf(t, b, flagLeaf)
		order.PutUint16(p[10:], 0xffff)
	}, "damaged"},
	"a free page that is in use": {func(t *testing.T, b []byte) {
		p, _ := pageOf(t, b, flagFreelist)
		_, id := pageOf(t, b, flagLeaf)
		n := order.Uint16(p[10:])
		order.PutUint64(p[pageHeader+8*int(n):], id)
		order.PutUint16(p[10:], n+1)
	}, "is free and used"},
	"more free pages than there are": {func(t *testing.T, b []byte) {
		p, _ := pageOf(t, b, flagFreelist)
		order.PutUint16(p[10:], 0xffff)
		order.PutUint64(p[pageHeader:], 1<<60)
	}, "the list of free pages is too short"},
	"a page nobody has": {func(t *testing.T, b []byte) {
		p, _ := pageOf(t, b, flagFreelist)
		order.PutUint16(p[10:], order.Uint16(p[10:])-1)
	}, "neither used nor free"},
}

func TestNumbersThatLie(t *testing.T) {
	good := fill(t, 600)
	if _, _, damage := inspect(bytes.NewReader(good), int64(len(good))); damage != nil {
		t.Fatal(damage)
	}
	for name, c := range lies {
		file := bytes.Clone(good)
		c.change(t, file)
		_, _, damage := inspect(bytes.NewReader(file), int64(len(file)))
		if damage == nil || !strings.Contains(damage.Error(), c.want) {
			t.Errorf("%s: %v", name, damage)
		}
	}
	_, _, damage := inspect(bytes.NewReader(good), int64(len(good)/2))
	if damage == nil || !strings.Contains(damage.Error(), "cut short") {
		t.Errorf("half a file: %v", damage)
	}
}

// A leaf that is lost costs its own records, and none of the others.
func TestWhatIsLeftIsRead(t *testing.T) {
	file := fill(t, 600)
	p, _ := pageOf(t, file, flagLeaf)
	lost := int(order.Uint16(p[10:]))
	clear(p)
	records, _, damage := inspect(bytes.NewReader(file), int64(len(file)))
	if damage == nil || len(records) < 400-lost || len(records) >= 400 {
		t.Errorf("%d records of 400 were read, %d were lost: %v", len(records), lost, damage)
	}
}
