package webhook

import (
	"bytes"
	"container/heap"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"strconv"
	"time"

	"github.com/roost-ws/roost/server/push"
)

// delivery is one request to one endpoint, until it was answered. All of it
// belongs to the Sender's lock; events do not change any more once the delivery
// has left its endpoint's open.
type delivery struct {
	id       uint64
	app, url string
	created  time.Time // time_ms
	queued   time.Time // its age counts from here: created, or requeued
	events   []byte    // JSON objects, with commas between them
	count    int       // events
	attempts int       // that failed
	due      time.Time // not before
	started  time.Time // the attempt under way
	reason   string    // of the last failure
	died     time.Time // when it became a dead letter
	index    int       // in its queue; -1 outside
}

// size is what d counts for against limits.
func (d *delivery) size() int { return itemOverhead + len(d.events) }

// body is what is sent, and signed. It is the same bytes in every attempt.
func (d *delivery) body() []byte {
	b := make([]byte, 0, len(d.events)+64)
	b = append(b, `{"time_ms":`...)
	b = strconv.AppendInt(b, d.created.UnixMilli(), 10)
	b = append(b, `,"events":[`...)
	b = append(b, d.events...)
	return append(b, "]}"...)
}

// queue is deliveries in the order in which they are due. Of those due at once
// the older comes first. It is a container/heap.
type queue []*delivery

func (q queue) Len() int { return len(q) }

func (q queue) Less(i, j int) bool {
	if !q[i].due.Equal(q[j].due) {
		return q[i].due.Before(q[j].due)
	}
	return q[i].id < q[j].id
}

func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

func (q *queue) Push(x any) {
	d := x.(*delivery)
	d.index = len(*q)
	*q = append(*q, d)
}

func (q *queue) Pop() any {
	last := len(*q) - 1
	d := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	d.index = -1
	return d
}

// first returns the delivery that is due first, or nil.
func (q queue) first() *delivery {
	if len(q) == 0 {
		return nil
	}
	return q[0]
}

func (q *queue) put(d *delivery)    { heap.Push(q, d) }
func (q *queue) remove(d *delivery) { heap.Remove(q, d.index) }
func (q *queue) fix(d *delivery)    { heap.Fix(q, d.index) }

// record is what the store keeps of a delivery or a hold: JSON, and behind its
// line the events as they are. A checksum in front, of the id and of both, finds
// what the disk changed. Fields are added, never given another meaning.
type record struct {
	Kind     recordKind   `json:"kind"`
	App      string       `json:"app,omitempty"`
	URL      string       `json:"url,omitempty"`
	Created  int64        `json:"created,omitempty"` // all times in milliseconds
	Queued   int64        `json:"queued,omitempty"`
	Due      int64        `json:"due,omitempty"`
	Died     int64        `json:"died,omitempty"`
	Count    int          `json:"count,omitempty"`
	Attempts int          `json:"attempts,omitempty"`
	Reason   string       `json:"reason,omitempty"`
	Notice   *push.Notice `json:"notice,omitempty"` // of a hold

	events []byte
}

type recordKind string

const (
	recordPending recordKind = "pending"
	recordDead    recordKind = "dead"
	recordHeld    recordKind = "held"
)

var errRecord = errors.New("a record is damaged")

func (r *record) encode(id uint64) []byte {
	head, err := json.Marshal(r)
	if err != nil {
		panic("webhook: a record is plain data: " + err.Error())
	}
	b := make([]byte, 4, 4+len(head)+1+len(r.events))
	b = append(b, head...)
	b = append(b, '\n')
	b = append(b, r.events...)
	binary.BigEndian.PutUint32(b, checksum(id, b[4:]))
	return b
}

func checksum(id uint64, b []byte) uint32 {
	key := binary.BigEndian.AppendUint64(nil, id)
	return crc32.Update(crc32.ChecksumIEEE(key), crc32.IEEETable, b)
}

// parseRecord reads what encode wrote. It keeps none of b.
func parseRecord(id uint64, b []byte) (r record, err error) {
	if len(b) < 4 || binary.BigEndian.Uint32(b) != checksum(id, b[4:]) {
		return r, errRecord
	}
	head, events, _ := bytes.Cut(b[4:], []byte{'\n'})
	if err := json.Unmarshal(head, &r); err != nil {
		return r, errRecord
	}
	switch r.Kind {
	case recordPending, recordDead:
		r.events = bytes.Clone(events)
	case recordHeld:
		if r.Notice == nil || kindOf(r.Notice.Name)&(channelVacated|memberRemoved) == 0 {
			return r, errRecord
		}
	default:
		return r, errRecord
	}
	return r, nil
}

func (d *delivery) record() *record {
	r := &record{
		Kind: recordPending, App: d.app, URL: d.url, Created: d.created.UnixMilli(), Queued: d.queued.UnixMilli(),
		Due: d.due.UnixMilli(), Count: d.count, Attempts: d.attempts, Reason: d.reason, events: d.events,
	}
	if !d.died.IsZero() {
		r.Kind, r.Died = recordDead, d.died.UnixMilli()
	}
	return r
}

func (r *record) delivery(id uint64) *delivery {
	d := &delivery{
		id: id, app: r.App, url: r.URL, created: time.UnixMilli(r.Created), queued: time.UnixMilli(r.Queued),
		due: time.UnixMilli(r.Due), count: r.Count, attempts: r.Attempts, reason: r.Reason, events: r.events, index: -1,
	}
	if r.Kind == recordDead {
		d.died = time.UnixMilli(r.Died)
	}
	return d
}

func (h *hold) record() *record {
	return &record{Kind: recordHeld, Due: h.due.UnixMilli(), Notice: &h.notice}
}
