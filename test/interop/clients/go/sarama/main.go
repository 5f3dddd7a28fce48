// The scenario with sarama.
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"ottla.test/interop/sample"
)

var codecs = map[string]sarama.CompressionCodec{
	"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
	"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
}

func settings() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Flush.Frequency = 5 * time.Millisecond
	config.Producer.Return.Successes = true
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Return.Errors = true
	return config
}

func create(broker, topic string) error {
	admin, err := sarama.NewClusterAdmin([]string{broker}, settings())
	if err != nil {
		return err
	}
	defer admin.Close()
	return admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: sample.Partitions, ReplicationFactor: 1}, false)
}

func produce(broker, topic, codec string, first, count int) error {
	config := settings()
	config.Producer.Compression = codecs[codec]
	producer, err := sarama.NewAsyncProducer([]string{broker}, config)
	if err != nil {
		return err
	}
	go func() {
		for n := first; n < first+count; n++ {
			message := &sarama.ProducerMessage{
				Topic: topic, Partition: int32(n % sample.Partitions), Key: sarama.ByteEncoder(sample.Key(n)),
				Headers: []sarama.RecordHeader{
					{Key: []byte("label"), Value: []byte(codec)}, {Key: []byte("n"), Value: fmt.Append(nil, n)},
				},
			}
			if value := sample.Value(codec, n); value != nil {
				message.Value = sarama.ByteEncoder(value)
			}
			producer.Input() <- message
		}
		producer.AsyncClose()
	}()
	var failure error
	acknowledged := 0
	successes, failures := producer.Successes(), producer.Errors()
	for successes != nil || failures != nil {
		select {
		case _, open := <-successes:
			if !open {
				successes = nil
			} else {
				acknowledged++
			}
		case err, open := <-failures:
			if !open {
				failures = nil
			} else {
				failure = err
			}
		}
	}
	if failure == nil && acknowledged != count {
		failure = fmt.Errorf("%d of %d acknowledged", acknowledged, count)
	}
	return failure
}

// member passes what its group session gets to `messages`, and marks and commits at the end of the session.
type member struct {
	assigned chan struct{}
	messages chan *sarama.ConsumerMessage
}

func (m *member) Setup(sarama.ConsumerGroupSession) error {
	close(m.assigned)
	return nil
}

func (m *member) Cleanup(session sarama.ConsumerGroupSession) error {
	session.Commit()
	return nil
}

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			m.messages <- message
			session.MarkMessage(message, "")
		case <-session.Context().Done():
			return nil
		}
	}
}

func (m *member) expectNothing() error {
	select {
	case message := <-m.messages:
		return fmt.Errorf("a record that was not expected: partition %d, offset %d", message.Partition, message.Offset)
	case <-time.After(sample.Quiet):
		return nil
	}
}

func (m *member) read(count int, reader *sample.Reader) error {
	late := time.After(sample.Patience)
	for reader.Total < count {
		select {
		case message := <-m.messages:
			headers := map[string]string{}
			for _, header := range message.Headers {
				headers[string(header.Key)] = string(header.Value)
			}
			err := reader.Take(int(message.Partition), message.Offset, message.Key, message.Value, headers)
			if err != nil {
				return err
			}
		case <-late:
			return fmt.Errorf("only %d of %d records came", reader.Total, count)
		}
	}
	return m.expectNothing()
}

// inGroup runs `step` as a member of the topic's group, which commits what it was given and leaves.
func inGroup(broker, topic string, step func(*member) error) error {
	group, err := sarama.NewConsumerGroup([]string{broker}, topic+"-group", settings())
	if err != nil {
		return err
	}
	defer group.Close()
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	joined := &member{assigned: make(chan struct{}), messages: make(chan *sarama.ConsumerMessage)}
	ended := make(chan error, 1)
	go func() { ended <- group.Consume(ctx, []string{topic}, joined) }()
	select {
	case <-joined.assigned:
	case err := <-ended:
		return fmt.Errorf("the session ended early: %w", err)
	case <-time.After(sample.Patience):
		return fmt.Errorf("the group assigned nothing")
	}
	if err := step(joined); err != nil {
		return err
	}
	leave()
	return <-ended
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
	reader := sample.NewReader(0)
	err := inGroup(broker, topic, func(m *member) error { return m.read(len(sample.Codecs)*sample.Each, reader) })
	if err != nil {
		return err
	}
	return reader.Expect(sample.Codecs, sample.Each)
}

func after(broker, topic string) error {
	reader := sample.NewReader(sample.Each)
	err := inGroup(broker, topic, func(m *member) error {
		if err := m.expectNothing(); err != nil {
			return err
		}
		if err := produce(broker, topic, "none", sample.Each, sample.More); err != nil {
			return err
		}
		return m.read(sample.More, reader)
	})
	if err != nil {
		return err
	}
	return reader.Expect([]string{"none"}, sample.More)
}

func main() { sample.Main(before, after) }
