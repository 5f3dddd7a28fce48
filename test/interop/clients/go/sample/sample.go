// Package sample has the records of the scenario, as README.md defines them, and the check of what is read.
package sample

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	Partitions = 3
	Each       = 10_000
	More       = 100
	// Patience is how long to wait for records that must come, Quiet how long to look for records that must not.
	Patience = 60 * time.Second
	Quiet    = 300 * time.Millisecond
)

var Codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

func Key(n int) []byte { return []byte("key-" + strconv.Itoa(n)) }

// Value is nil for every thousandth record.
func Value(label string, n int) []byte {
	if n%1000 == 999 {
		return nil
	}
	return []byte(label + " " + strconv.Itoa(n) + " " + strings.Repeat("abcdefghij", n%20))
}

type sequence struct {
	label     string
	partition int
}

// Reader counts by label what was read, and refuses a record with other content or out of its partition's order.
type Reader struct {
	first  int
	Total  int
	counts map[string]int
	next   map[sequence]int
}

func NewReader(first int) *Reader {
	return &Reader{first: first, counts: map[string]int{}, next: map[sequence]int{}}
}

func (r *Reader) Take(partition int, offset int64, key, value []byte, headers map[string]string) error {
	where := fmt.Sprintf("partition %d, offset %d", partition, offset)
	label := headers["label"]
	n, err := strconv.Atoi(headers["n"])
	if err != nil {
		return fmt.Errorf("%s: headers %v", where, headers)
	}
	if string(key) != string(Key(n)) {
		return fmt.Errorf("%s: the key is %q, the header says %d", where, key, n)
	}
	wanted := Value(label, n)
	if string(value) != string(wanted) || (value == nil) != (wanted == nil) {
		return fmt.Errorf("%s: other value: %q", where, value)
	}
	at := sequence{label, partition}
	expected, known := r.next[at]
	if !known {
		expected = r.first + ((partition-r.first)%Partitions+Partitions)%Partitions
	}
	if n != expected {
		return fmt.Errorf("%s: of %s came %d, expected %d", where, label, n, expected)
	}
	r.next[at] = n + Partitions
	r.counts[label]++
	r.Total++
	return nil
}

func (r *Reader) Expect(labels []string, each int) error {
	for _, label := range labels {
		if r.counts[label] != each {
			return fmt.Errorf("%s: read %d of %d", label, r.counts[label], each)
		}
	}
	if len(r.counts) != len(labels) {
		return fmt.Errorf("read %v, expected only %v", r.counts, labels)
	}
	return nil
}

// Main runs the half of the scenario that the first argument names, with the broker and the topic.
func Main(before, after func(broker, topic string) error) {
	halves := map[string]func(string, string) error{"before": before, "after": after}
	if err := halves[os.Args[1]](os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
