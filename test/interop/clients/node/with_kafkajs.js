// The scenario with kafkajs.
'use strict'

const { init, compress, decompress } = require('@bokuweb/zstd-wasm')
const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = require('kafkajs')
const snappy = require('kafkajs-snappy')
const lz4 = require('lz4-napi')
const { EACH, MORE, PARTITIONS, PATIENCE_MS, QUIET_MS, Reader, record } = require('./sample')

// kafkajs itself has only gzip. Kafka takes LZ4 frames of independent blocks only, which not every package writes.
CompressionCodecs[CompressionTypes.Snappy] = snappy
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: (encoder) => lz4.compressFrame(encoder.buffer),
  decompress: (bytes) => lz4.decompressFrame(bytes),
})
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async (encoder) => Buffer.from(compress(encoder.buffer, 3)),
  decompress: async (bytes) => Buffer.from(decompress(bytes)),
})

const CODECS = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
}
const BATCH = 500

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

async function waitUntil(condition, what) {
  for (let waited = 0; !condition(); waited += 20) {
    if (waited > PATIENCE_MS) throw new Error(what())
    await sleep(20)
  }
}

async function create(kafka, topic) {
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic, numPartitions: PARTITIONS, replicationFactor: 1 }] })
  await admin.disconnect()
}

async function produce(kafka, topic, codec, first, count) {
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  for (let n = first; n < first + count; n += BATCH) {
    const length = Math.min(BATCH, first + count - n)
    const messages = Array.from({ length }, (_, i) => record(codec, n + i))
    await producer.send({ topic, messages, acks: -1, compression: CODECS[codec] })
  }
  await producer.disconnect()
}

/** Runs `step` as a member of the topic's group; commits what was read and leaves. */
async function inGroup(kafka, topic, reader, step) {
  const consumer = kafka.consumer({ groupId: `${topic}-group` })
  let joined = false
  let failure = null
  consumer.on(consumer.events.GROUP_JOIN, () => (joined = true))
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch, resolveOffset, commitOffsetsIfNecessary, uncommittedOffsets }) => {
      try {
        for (const message of batch.messages) {
          reader.take(batch.partition, message)
          resolveOffset(message.offset)
        }
        await commitOffsetsIfNecessary(uncommittedOffsets())
      } catch (error) {
        failure ??= error
      }
    },
  })
  await waitUntil(() => joined, () => 'the group assigned nothing')
  const read = async (count) => {
    await waitUntil(() => failure || reader.total >= count, () => `only ${reader.total} of ${count} records came`)
    await sleep(QUIET_MS)
    if (failure) throw failure
    if (reader.total !== count) throw new Error(`read ${reader.total} records, expected ${count}`)
  }
  await step(read)
  await consumer.disconnect()
}

async function before(kafka, topic) {
  await create(kafka, topic)
  const codecs = Object.keys(CODECS)
  for (const codec of codecs) await produce(kafka, topic, codec, 0, EACH)
  const reader = new Reader(0)
  await inGroup(kafka, topic, reader, (read) => read(codecs.length * EACH))
  reader.expect(codecs, EACH)
}

async function after(kafka, topic) {
  const reader = new Reader(EACH)
  await inGroup(kafka, topic, reader, async (read) => {
    await read(0)
    await produce(kafka, topic, 'none', EACH, MORE)
    await read(MORE)
  })
  reader.expect(['none'], MORE)
}

async function main([half, broker, topic]) {
  await init()
  const kafka = new Kafka({ clientId: 'kafkajs', brokers: [broker], logLevel: logLevel.WARN })
  await { before, after }[half](kafka, topic)
}

process.env.KAFKAJS_NO_PARTITIONER_WARNING = '1'
main(process.argv.slice(2)).then(
  () => process.exit(0),
  (error) => {
    console.error(error)
    process.exit(1)
  },
)
