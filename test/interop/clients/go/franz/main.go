// The scenario with franz-go.
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla.test/interop/sample"
)

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

func create(broker, topic string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(broker))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), sample.Patience)
	defer cancel()
	response, err := kadm.NewClient(client).CreateTopic(ctx, sample.Partitions, 1, nil, topic)
	if err != nil {
		return err
	}
	return response.Err
}

func produce(broker, topic, codec string, first, count int) error {
	// An idempotent producer unless told otherwise.
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ProducerBatchCompression(codecs[codec]),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(5*time.Millisecond))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), sample.Patience)
	defer cancel()
	// Acknowledgements come one after the other; the first failure is kept.
	failures := make(chan error, 1)
	for n := first; n < first+count; n++ {
		record := &kgo.Record{
			Topic: topic, Partition: int32(n % sample.Partitions), Key: sample.Key(n), Value: sample.Value(codec, n),
			Headers: []kgo.RecordHeader{{Key: "label", Value: []byte(codec)}, {Key: "n", Value: fmt.Append(nil, n)}},
		}
		client.Produce(ctx, record, func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failures <- err:
				default:
				}
			}
		})
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	select {
	case err := <-failures:
		return err
	default:
		return nil
	}
}

// take polls once and hands the records to the reader.
func take(client *kgo.Client, wait time.Duration, reader *sample.Reader) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	fetches := client.PollFetches(ctx)
	for _, failure := range fetches.Errors() {
		if ctx.Err() == nil {
			return 0, failure.Err
		}
	}
	for _, record := range fetches.Records() {
		headers := map[string]string{}
		for _, header := range record.Headers {
			headers[header.Key] = string(header.Value)
		}
		if err := reader.Take(int(record.Partition), record.Offset, record.Key, record.Value, headers); err != nil {
			return 0, err
		}
	}
	return fetches.NumRecords(), nil
}

func read(client *kgo.Client, count int, reader *sample.Reader) error {
	until := time.Now().Add(sample.Patience)
	for reader.Total < count {
		if time.Now().After(until) {
			return fmt.Errorf("only %d of %d records came", reader.Total, count)
		}
		if _, err := take(client, 200*time.Millisecond, reader); err != nil {
			return err
		}
	}
	more, err := take(client, sample.Quiet, reader)
	if err == nil && more > 0 {
		err = fmt.Errorf("%d records more than expected", more)
	}
	return err
}

// group is a member of the topic's group; assigned is closed when it has partitions.
func group(broker, topic string) (client *kgo.Client, assigned chan struct{}, err error) {
	assigned = make(chan struct{})
	client, err = kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumerGroup(topic+"-group"), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(),
		kgo.OnPartitionsAssigned(func(context.Context, *kgo.Client, map[string][]int32) { close(assigned) }))
	return client, assigned, err
}

func commit(client *kgo.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), sample.Patience)
	defer cancel()
	return client.CommitUncommittedOffsets(ctx)
}

func before(broker, topic string) error {
	if err := create(broker, topic); err != nil {
		return err
	}
	for _, codec := range sample.Codecs {
		if err := produce(broker, topic, codec, 0, sample.Each); err != nil {
			return fmt.Errorf("producing with %s: %w", codec, err)
		}
	}
	client, _, err := group(broker, topic)
	if err != nil {
		return err
	}
	defer client.Close()
	reader := sample.NewReader(0)
	if err := read(client, len(sample.Codecs)*sample.Each, reader); err != nil {
		return err
	}
	if err := commit(client); err != nil {
		return err
	}
	return reader.Expect(sample.Codecs, sample.Each)
}

func after(broker, topic string) error {
	client, assigned, err := group(broker, topic)
	if err != nil {
		return err
	}
	defer client.Close()
	select {
	case <-assigned:
	case <-time.After(sample.Patience):
		return fmt.Errorf("the group assigned nothing")
	}
	reader := sample.NewReader(sample.Each)
	if old, err := take(client, sample.Quiet, reader); err != nil || old > 0 {
		return fmt.Errorf("%d old records, error %w", old, err)
	}
	if err := produce(broker, topic, "none", sample.Each, sample.More); err != nil {
		return err
	}
	if err := read(client, sample.More, reader); err != nil {
		return err
	}
	if err := commit(client); err != nil {
		return err
	}
	return reader.Expect([]string{"none"}, sample.More)
}

func main() { sample.Main(before, after) }
