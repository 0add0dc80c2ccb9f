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
// What bbolt does not do is to survive a damaged file. So a file is inspected as
// a whole before it is used, and whatever else it trips over costs the store,
// not the process.
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
// its place; records is what could still be read.
func openBolt(path string, wait time.Duration, size int64) (st *boltStore, records []kept, damage, err error) {
	records, txid, damage, err := readBolt(path, wait)
	if err != nil {
		return nil, nil, nil, err
	}
	if damage != nil {
		if err := os.Rename(path, path+damagedSuffix); err != nil {
			return nil, nil, nil, fmt.Errorf("%w, and %w", damage, err)
		}
		txid = 0
	}
	st, err = useBolt(path, wait, size, txid)
	return st, records, damage, err
}

// readBolt reads all of the file at path, if there is one. Nobody else can
// write to it meanwhile. txid is 0 when there is nothing to be read.
func readBolt(path string, wait time.Duration) (records []kept, txid uint64, damage, err error) {
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode().IsRegular() && info.Size() == 0:
		return nil, 0, nil, nil
	case err != nil:
		return nil, 0, nil, err
	case !info.Mode().IsRegular():
		return nil, 0, nil, fmt.Errorf("%s is no file", path)
	}
	st, err := openGuarded(path, &bbolt.Options{Timeout: wait, ReadOnly: true})
	switch {
	case errors.Is(err, errDamaged):
		return nil, 0, err, nil
	case err != nil:
		return nil, 0, nil, err
	}
	defer st.db.Close() // which lets the others in
	info, err := st.file.Stat()
	if err != nil {
		return nil, 0, nil, err
	}
	records, txid, damage = inspect(st.file, info.Size())
	return records, txid, damage, nil
}

// useBolt opens a file that was read and found good, or makes a new one.
func useBolt(path string, wait time.Duration, size int64, txid uint64) (*boltStore, error) {
	st, err := openGuarded(path, &bbolt.Options{Timeout: wait, MaxSize: int(min(size, int64(^uint(0)>>1)))})
	if err != nil {
		return nil, err
	}
	err = guarded(func() error {
		return st.db.Update(func(tx *bbolt.Tx) error {
			if txid != 0 && uint64(tx.ID()) != txid+1 {
				return errors.New("another process uses it")
			}
			_, err := tx.CreateBucketIfNotExists(boltBucket)
			return err
		})
	})
	if err != nil {
		st.file.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return st, nil
}

// openGuarded opens a file. The error is errDamaged when the file is to blame.
func openGuarded(path string, options *bbolt.Options) (*boltStore, error) {
	st := &boltStore{}
	options.OpenFile = func(name string, flag int, mode fs.FileMode) (*os.File, error) {
		f, err := os.OpenFile(name, flag, mode)
		st.file = f
		return f, err
	}
	err := guarded(func() (err error) {
		st.db, err = bbolt.Open(path, 0o600, options)
		return err
	})
	if err == nil {
		return st, nil
	}
	if st.file != nil {
		st.file.Close() // again, perhaps: bbolt does it unless it panicked
	}
	if outside := environmentOf(path, err); outside != nil {
		return nil, outside
	}
	return nil, fmt.Errorf("%w: %w", errDamaged, err)
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
