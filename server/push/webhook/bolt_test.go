package webhook

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roost-ws/roost/server/push"
)

const boltSize = 64 << 20

// fill makes a file with n records and returns its bytes.
func fill(t *testing.T, n int) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store")
	st, _, _, err := openBolt(path, time.Second, boltSize)
	if err != nil {
		t.Fatal(err)
	}
	var changes []change
	for i := range n {
		id := uint64(i + 1)
		r := record{Kind: recordPending, App: appID, URL: here, Count: 1, events: fmt.Appendf(nil, "%0200d", i)}
		changes = append(changes, change{id, r.encode(id)})
	}
	if err := st.commit(changes); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < n; i += 3 { // leaves free pages behind
		if err := st.commit([]change{{uint64(i + 1), nil}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := st.close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// However a file is damaged, the server starts, has none but records that were
// saved, and can save new ones.
func TestDamagedFile(t *testing.T) {
	const records = 60
	good := fill(t, records)
	random := rand.New(rand.NewPCG(1, 2))
	const page = 4096
	damage := map[string]func(b []byte) []byte{
		"empty":       func(b []byte) []byte { return nil },
		"one byte":    func(b []byte) []byte { return b[:1] },
		"one page":    func(b []byte) []byte { return b[:page] },
		"text":        func(b []byte) []byte { return []byte(strings.Repeat("this is no database\n", 2000)) },
		"zeros":       func(b []byte) []byte { return make([]byte, len(b)) },
		"second half": func(b []byte) []byte { return b[len(b)/2:] },
	}
	for i := range 40 {
		switch i % 4 {
		case 0:
			damage[fmt.Sprint("cut ", i)] = func(b []byte) []byte { return b[:random.IntN(len(b))] }
		case 1:
			damage[fmt.Sprint("zero page ", i)] = func(b []byte) []byte {
				clear(b[random.IntN(len(b)/page)*page:][:page])
				return b
			}
		case 2:
			damage[fmt.Sprint("random bytes ", i)] = func(b []byte) []byte {
				for range 1 + random.IntN(30) {
					b[random.IntN(len(b))] = byte(random.Uint32())
				}
				return b
			}
		case 3:
			damage[fmt.Sprint("random header ", i)] = func(b []byte) []byte { // of a page: its id, type and counts
				at := (2 + random.IntN(len(b)/page-2)) * page
				for range 3 {
					b[at+random.IntN(64)] = byte(random.Uint32())
				}
				return b
			}
		}
	}
	outcomes := make(map[bool]int)
	for name, change := range damage {
		path := filepath.Join(t.TempDir(), "store")
		if err := os.WriteFile(path, change(bytes.Clone(good)), 0o600); err != nil {
			t.Fatal(err)
		}
		outcomes[openDamaged(t, name, path, records)]++
	}
	if outcomes[true] < 15 {
		t.Errorf("damage was seen %d times only", outcomes[true])
	}
}

// openDamaged opens the file and uses it, and reports whether damage was seen.
func openDamaged(t *testing.T, name, path string, records int) bool {
	t.Helper()
	st, got, damage, err := openBolt(path, time.Second, boltSize)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return false
	}
	for _, k := range got {
		i := int(k.id) - 1
		// The last record that was removed is back when the page that says so is lost.
		removed := i%3 == 0 && (i != records-3 || damage == nil)
		if i < 0 || i >= records || removed || string(k.record.events) != fmt.Sprintf("%0200d", i) {
			t.Errorf("%s: record %d was made up: %.300s", name, k.id, fmt.Sprint(k.record))
		}
	}
	if damage == nil && len(got) != records*2/3 && name != "empty" {
		t.Errorf("%s: %d records, and nothing was said", name, len(got))
	}
	if _, err := os.Stat(path + damagedSuffix); (err == nil) != (damage != nil) {
		t.Errorf("%s: damage is %v, and the old file: %v", name, damage, err)
	}
	for round := range 3 { // uses free pages, and frees others
		var changes []change
		for i := range uint64(20) {
			id := 1000 + i
			r := record{Kind: recordHeld, Notice: &push.Notice{Name: push.ChannelVacated, Channel: fmt.Sprint(round)}}
			changes = append(changes, change{id, r.encode(id)}, change{1 + i + 20*uint64(round), nil})
		}
		if err := st.commit(changes); err != nil {
			t.Errorf("%s: commit: %v", name, err)
		}
	}
	if err := st.close(); err != nil {
		t.Errorf("%s: close: %v", name, err)
	}
	st, again, damageAgain, err := openBolt(path, time.Second, boltSize)
	if err != nil || damageAgain != nil || len(again) < 20 {
		t.Errorf("%s: the next time: %d records, %v, %v", name, len(again), damageAgain, err)
		return false
	}
	st.close()
	return damage != nil
}

// A file that is in use, or cannot be opened, is not a damaged one: it stays
// where it is.
func TestFileThatCannotBeHad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "store")
	s := newSender(t, &receiver{}, Config{Path: path})
	defer closeNow(t, s)
	_, err := New(Config{Path: path, StoreWait: 100 * time.Millisecond})
	if err == nil || err.Error() != "webhook: "+path+" is in use by another process" {
		t.Errorf("in use: %v", err)
	}
	_, err = New(Config{Path: filepath.Join(dir, "missing", "store")})
	if err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("no folder: %v", err)
	}
	_, err = New(Config{Path: dir})
	if err == nil || !strings.Contains(err.Error(), "is no file") {
		t.Errorf("a folder: %v", err)
	}
	if names, _ := filepath.Glob(dir + "*/*"); len(names) != 1 {
		t.Errorf("files: %v", names)
	}
}

// A file that is damaged while it is in use stops being written to. Nothing else stops.
func TestFileThatPanics(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	st, _, _, err := openBolt(path, time.Second, boltSize)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 0); err != nil { // what is mapped is not there any more
		t.Fatal(err)
	}
	for range 2 {
		if err := st.commit([]change{{1, []byte("x")}}); err == nil {
			t.Error("a commit succeeded")
		}
	}
	if err := st.close(); err != nil {
		t.Error(err)
	}
}

// The file is bounded: what does not fit fails, and room is used again.
func TestFileIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	st, _, _, err := openBolt(path, time.Second, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer st.close()
	value := make([]byte, 200<<10)
	var id uint64
	for err == nil {
		if id++; id > 100 {
			t.Fatal("the file has no bound")
		}
		err = st.commit([]change{{id, value}})
	}
	for i := range uint64(100) {
		if err := st.commit([]change{{1 + i%2, nil}}); err != nil {
			t.Fatalf("a removal: %v", err)
		}
		if err := st.commit([]change{{1 + i%2, value[:1000]}}); err != nil {
			t.Fatalf("a small record: %v", err)
		}
	}
	if info, _ := os.Stat(path); info.Size() > 1<<20 {
		t.Errorf("the file has %d bytes", info.Size())
	}
}

func TestRecordsSurvive(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_123)
	d := &delivery{
		id: 7, app: "a", url: here, created: at, queued: at.Add(1e9), due: at.Add(2e9), died: at.Add(3e9),
		events: []byte("{\"a\":\"\\n<&>\"},\n{}\x00\xff"), count: 2, attempts: 3, reason: "\u2028<why>", index: -1,
	}
	r, err := parseRecord(7, d.record().encode(7))
	if err != nil {
		t.Fatal(err)
	}
	if got := r.delivery(7); !reflect.DeepEqual(got, d) {
		t.Errorf("got %+v, want %+v", got, d)
	}
	h := &hold{notice: push.Notice{App: "a", Name: push.MemberRemoved, Channel: "c", UserID: "u", At: at}, due: at}
	if _, err := parseRecord(6, d.record().encode(7)); err == nil {
		t.Error("a record was taken for another one")
	}
	r, err = parseRecord(8, h.record().encode(8))
	if err != nil || r.Notice.UserID != "u" || r.Due != at.UnixMilli() {
		t.Errorf("%+v, %v", r, err)
	}
}

// What the disk made of a record is never taken for one.
func FuzzParseRecord(f *testing.F) {
	good := (&record{Kind: recordPending, App: "a", URL: here, events: []byte("{}")}).encode(7)
	f.Add(good, uint(0), byte(0))
	f.Add([]byte{}, uint(1), byte(1))
	f.Fuzz(func(t *testing.T, b []byte, at uint, flip byte) {
		parseRecord(7, b)
		if flip != 0 {
			changed := bytes.Clone(good)
			changed[at%uint(len(changed))] ^= flip
			if r, err := parseRecord(7, changed); err == nil {
				t.Errorf("a changed byte went unseen: %+v", r)
			}
		}
	})
}

// The inspection must not take offence at what bbolt itself writes: small
// buckets within others, pages that go on, deep trees, room left by removals.
func TestGoodFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	random := rand.New(rand.NewPCG(3, 4))
	want := make(map[uint64]int) // bytes by id
	for round := range 25 {
		st, records, damage, err := openBolt(path, time.Second, boltSize)
		if err != nil || damage != nil {
			t.Fatalf("round %d: %v, %v", round, damage, err)
		}
		for _, k := range records {
			if size, ok := want[k.id]; !ok || size != len(k.record.events) {
				t.Errorf("round %d: record %d has %d bytes, want %d", round, k.id, len(k.record.events), size)
			}
		}
		if len(records) != len(want) {
			t.Errorf("round %d: %d records, want %d", round, len(records), len(want))
		}
		changes := make(map[uint64]change)
		for range 1 << (round / 2) {
			id := 1 + random.Uint64N(1<<(round/2))
			if random.IntN(4) == 0 {
				changes[id] = change{id, nil}
				delete(want, id)
				continue
			}
			want[id] = random.IntN(100) * (1 + 200*(random.IntN(20)/19))
			r := record{Kind: recordPending, events: make([]byte, want[id])}
			changes[id] = change{id, r.encode(id)}
		}
		if err := st.commit(slices.Collect(maps.Values(changes))); err != nil {
			t.Fatal(err)
		}
		if err := st.close(); err != nil {
			t.Fatal(err)
		}
	}
}
