package push

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/roost-ws/roost/server/push/internal/rawjson"
)

// MaxUserID is the length of the longest id of a user, in characters.
const MaxUserID = 128

// identity is who a client is, by the signed word of the customer's own backend.
type identity struct {
	id   string // a number became its decimal digits
	info JSON   // what others may know, in memory of its own; may be absent
}

func validUserID(id string) bool {
	return id != "" && utf8.ValidString(id) && utf8.RuneCountInString(id) <= MaxUserID
}

// parseChannelData reads channel_data: {"user_id": ..., "user_info": ...}.
func parseChannelData(text []byte, limits *AppLimits) (*identity, error) {
	if len(text) > limits.MemberBytes {
		return nil, fmt.Errorf("channel_data: at most %d bytes, got %d", limits.MemberBytes, len(text))
	}
	v, err := rawjson.Parse(text)
	var fields [2]JSON
	if err == nil {
		err = v.Pick(fields[:], "user_id", "user_info")
	}
	if err != nil {
		return nil, fmt.Errorf("channel_data: %w", err)
	}
	id, err := parseUserID(fields[0])
	if err != nil {
		return nil, fmt.Errorf("channel_data: user_id: %w", err)
	}
	return &identity{id: id, info: fields[1].Clone()}, nil
}

// parseUserData reads user_data: {"id": ..., "user_info": ..., "watchlist": [...]}.
func parseUserData(text []byte, limits *AppLimits) (who *identity, watchlist []string, err error) {
	v, err := rawjson.Parse(text)
	var fields [3]JSON
	if err == nil {
		err = v.Pick(fields[:], "id", "user_info", "watchlist")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("user_data: %w", err)
	}
	if n := len(fields[1].Raw()); n > limits.MemberBytes {
		return nil, nil, fmt.Errorf("user_data: user_info: at most %d bytes, got %d", limits.MemberBytes, n)
	}
	id, err := parseUserID(fields[0])
	if err != nil {
		return nil, nil, fmt.Errorf("user_data: id: %w", err)
	}
	switch kind := fields[2].Kind(); kind {
	case rawjson.Absent, rawjson.Null, rawjson.Array:
	default:
		return nil, nil, fmt.Errorf("user_data: watchlist: expected an array, got %s", kind)
	}
	for v := range fields[2].Elements() {
		watched, err := parseUserID(v)
		if err != nil {
			return nil, nil, fmt.Errorf("user_data: watchlist: %w", err)
		}
		watchlist = append(watchlist, watched)
	}
	return &identity{id: id, info: fields[1].Clone()}, watchlist, nil
}

// parseUserID reads a string or a number. Backends write the same id now as one
// and now as the other, and clients look it up as a name in an object.
func parseUserID(v JSON) (string, error) {
	switch v.Kind() {
	case rawjson.String:
		id := string(v.Bytes())
		if !validUserID(id) {
			return "", fmt.Errorf("must have 1 to %d characters", MaxUserID)
		}
		return id, nil
	case rawjson.Number:
		return wholeNumber(string(v.Raw()))
	}
	return "", fmt.Errorf("expected a string or a whole number, got %s", v.Kind())
}

// wholeNumber returns the decimal digits of a JSON number, however it is written.
func wholeNumber(text string) (string, error) {
	if _, err := strconv.ParseInt(text, 10, 64); err == nil && text != "-0" {
		return text, nil
	}
	if _, err := strconv.ParseUint(text, 10, 64); err == nil {
		return text, nil
	}
	// Some languages write 10 as 10.0, or 1e1.
	const exact = 1 << 53 // from here on two numbers may have one float64
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) >= exact {
		return "", errors.New("expected a string or a whole number")
	}
	return strconv.FormatInt(int64(f), 10), nil
}
