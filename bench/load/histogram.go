package load

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// What a Histogram can hold. Three digits keep every value within 0.1 %.
const (
	latencyMin    = time.Nanosecond
	latencyMax    = 2 * time.Minute
	latencyDigits = 3
)

// Histogram counts latencies. It is a high dynamic range histogram: the error
// of a quantile is bounded relative to its value, not by a bucket's width.
type Histogram struct {
	h *hdrhistogram.Histogram
}

// NewHistogram returns an empty Histogram.
func NewHistogram() *Histogram {
	return &Histogram{hdrhistogram.New(int64(latencyMin), int64(latencyMax), latencyDigits)}
}

// Record counts one latency; what is beyond the range counts at its end.
func (h *Histogram) Record(d time.Duration) {
	_ = h.h.RecordValue(int64(min(max(d, latencyMin), latencyMax))) // cannot fail inside the range
}

// Merge adds the counts of other.
func (h *Histogram) Merge(other *Histogram) {
	if other != nil {
		h.h.Merge(other.h)
	}
}

// Quantile is the latency below which the fraction q of all lies.
func (h *Histogram) Quantile(q float64) time.Duration {
	return time.Duration(h.h.ValueAtQuantile(q * 100))
}

// Max is the largest latency.
func (h *Histogram) Max() time.Duration { return time.Duration(h.h.Max()) }

// Min is the smallest latency.
func (h *Histogram) Min() time.Duration { return time.Duration(h.h.Min()) }

// Mean is the average latency.
func (h *Histogram) Mean() time.Duration { return time.Duration(h.h.Mean()) }

// Count is how many latencies were recorded.
func (h *Histogram) Count() int64 { return h.h.TotalCount() }

// CountBelow is how many latencies are not above d, to the histogram's precision.
func (h *Histogram) CountBelow(d time.Duration) int64 {
	var n int64
	for _, bar := range h.h.Distribution() {
		if bar.From > int64(d) {
			break
		}
		n += bar.Count
	}
	return n
}

// Reset forgets everything.
func (h *Histogram) Reset() { h.h.Reset() }

// MarshalJSON writes the histogram in HdrHistogram's compressed V2 format,
// which other HdrHistogram tools read too.
func (h *Histogram) MarshalJSON() ([]byte, error) {
	text, err := h.h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, fmt.Errorf("load: encode histogram: %w", err)
	}
	return json.Marshal(string(text))
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (h *Histogram) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return fmt.Errorf("load: decode histogram: %w", err)
	}
	decoded, err := hdrhistogram.Decode([]byte(text))
	if err != nil {
		return fmt.Errorf("load: decode histogram: %w", err)
	}
	// The decoded range is what the encoder saw; merging needs ours.
	h.h = hdrhistogram.New(int64(latencyMin), int64(latencyMax), latencyDigits)
	h.h.Merge(decoded)
	return nil
}
