package webhook

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// boltStore is a store in one file of bbolt: it is pure Go, small (it needs
// x/sys and nothing else of what roost does not have), kept up for etcd, and
// commits atomically without a goroutine of its own. Stores that write faster
// (pebble, badger) bring dozens of modules; a journal of our own would be ours to get right.
//
// What bbolt does not do is to survive a damaged file: it trusts what its pages
// say, and panics or faults on memory that is not there. So everything here
// runs guarded, and a file is read as a whole before it is used.
type boltStore struct {
	db     *bbolt.DB
	file   *os.File // of db, to let go of it when db cannot be closed
	broken error    // db panicked: its locks may be held for ever
}

// kept is one record that a store had.
type kept struct {
	id     uint64
	record record
}

const damagedSuffix = ".damaged"

var (
	boltBucket = []byte("records")
	errDamaged = errors.New("the file is damaged")
)

// openBolt opens the file at path, or makes one, and reads it. A file that is
// damaged is set aside, in place of the last one that was, and a new one takes
// its place; kept is what could still be read.
func openBolt(path string, wait time.Duration, size int64) (st *boltStore, records []kept, damage, err error) {
	st, records, damage, err = readBolt(path, wait, size)
	if damage == nil || err != nil {
		return st, records, nil, err
	}
	if err := os.Rename(path, path+damagedSuffix); err != nil {
		return nil, nil, nil, fmt.Errorf("%w, and %w", damage, err)
	}
	st, _, again, err := readBolt(path, wait, size)
	if err == nil && again != nil {
		err = again // a new file cannot be: the disk is not to be trusted
	}
	return st, records, damage, err
}

// readBolt opens and reads one file. Without an error there is either a store
// or the damage that makes the file unfit to be one.
func readBolt(path string, wait time.Duration, size int64) (st *boltStore, records []kept, damage, err error) {
	st = &boltStore{}
	options := &bbolt.Options{
		Timeout: wait,
		MaxSize: int(min(size, int64(^uint(0)>>1))),
		OpenFile: func(name string, flag int, mode fs.FileMode) (*os.File, error) {
			f, err := os.OpenFile(name, flag, mode)
			st.file = f
			return f, err
		},
	}
	err = guarded(func() (err error) {
		st.db, err = bbolt.Open(path, 0o600, options)
		return err
	})
	if err != nil {
		if st.file != nil {
			st.file.Close() // again, perhaps: bbolt does it unless it panicked
		}
		if outside := environmentOf(path, err); outside != nil {
			return nil, nil, nil, outside
		}
		return nil, nil, fmt.Errorf("%w: %w", errDamaged, err), nil
	}
	if records, err = st.read(); err == nil {
		err = guarded(st.prepare)
	}
	switch {
	case err == nil:
		return st, records, nil, nil
	case errors.Is(err, errDamaged):
		st.file.Close()
		return nil, records, err, nil
	}
	st.db.Close()
	return nil, nil, nil, fmt.Errorf("%s: %w", path, err)
}

// environmentOf returns the error of an Open that failed for reasons outside
// the file, which is as good as it was; nil when the file is to blame.
func environmentOf(path string, err error) error {
	if errors.Is(err, bolterrors.ErrTimeout) {
		return fmt.Errorf("%s is in use by another process", path)
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return err
	}
	if _, ok := errors.AsType[syscall.Errno](err); ok {
		return fmt.Errorf("open %s: %w", path, err)
	}
	return nil
}

// guarded turns a panic, or a fault on memory mapped from a file, into an error.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errDamaged, r)
		}
	}()
	return f()
}

// read returns all records that are whole, and an error when something is not.
func (st *boltStore) read() (records []kept, err error) {
	err = guarded(func() error {
		tx, err := st.db.Begin(false)
		if err != nil {
			return err
		}
		info, err := st.file.Stat()
		if err != nil {
			return err
		}
		if tx.Size() > info.Size() {
			return fmt.Errorf("%w: it is cut short", errDamaged)
		}
		bad := readBucket(tx.Bucket(boltBucket), func(k kept) { records = append(records, k) })
		if bad != nil {
			return bad
		}
		// Every page with a record was there. This finds pages that are used twice.
		for problem := range tx.Check() {
			bad = fmt.Errorf("%w: %w", errDamaged, problem)
		}
		if bad != nil {
			return bad
		}
		return tx.Rollback()
	})
	return records, err
}

// readBucket calls each with every whole record of the bucket, which may be nil.
func readBucket(bucket *bbolt.Bucket, each func(kept)) (damage error) {
	if bucket == nil {
		return nil
	}
	last := uint64(0)
	c := bucket.Cursor()
	for key, value := c.First(); key != nil; key, value = c.Next() {
		if len(key) != 8 || binary.BigEndian.Uint64(key) <= last {
			// With keys out of order a cursor may even go in circles.
			return fmt.Errorf("%w: a key is not in its place", errDamaged)
		}
		last = binary.BigEndian.Uint64(key)
		r, err := parseRecord(value)
		if err != nil {
			damage = fmt.Errorf("%w: %w", errDamaged, err)
			continue
		}
		each(kept{last, r})
	}
	return damage
}

// prepare makes the bucket of a new file.
func (st *boltStore) prepare() error {
	return st.db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(boltBucket)
		return err
	})
}

func (st *boltStore) commit(changes []change) error {
	if st.broken != nil {
		return st.broken
	}
	err := guarded(func() error {
		return st.db.Update(func(tx *bbolt.Tx) error {
			bucket := tx.Bucket(boltBucket)
			for _, c := range changes {
				key := binary.BigEndian.AppendUint64(nil, c.id)
				var err error
				if c.value == nil {
					err = bucket.Delete(key)
				} else {
					err = bucket.Put(key, c.value)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
	if errors.Is(err, errDamaged) {
		st.broken = err
	}
	return err
}

func (st *boltStore) close() error {
	if st.broken != nil {
		return st.file.Close()
	}
	return st.db.Close()
}
