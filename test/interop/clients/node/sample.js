// The records of the scenario, as README.md defines them, and the check of what is read.
'use strict'

const PARTITIONS = 3

function value(label, n) {
  return n % 1000 === 999 ? null : `${label} ${n} ${'abcdefghij'.repeat(n % 20)}`
}

function record(label, n) {
  return { partition: n % PARTITIONS, key: `key-${n}`, value: value(label, n), headers: { label, n: String(n) } }
}

/** Counts by label what was read, and refuses a record with other content or out of its partition's order. */
class Reader {
  constructor(first) {
    this.first = first
    this.total = 0
    this.counts = {}
    this.next = {}
  }

  take(partition, message) {
    const where = `partition ${partition}, offset ${message.offset}`
    const label = message.headers.label.toString()
    const n = Number(message.headers.n.toString())
    const text = message.value === null ? null : message.value.toString()
    if (message.key.toString() !== `key-${n}`) throw new Error(`${where}: the key is ${message.key}, the header says ${n}`)
    if (text !== value(label, n)) throw new Error(`${where}: other value: ${text}`)
    const sequence = `${label} ${partition}`
    const start = this.first + ((partition - this.first) % PARTITIONS + PARTITIONS) % PARTITIONS
    const expected = this.next[sequence] ?? start
    if (n !== expected) throw new Error(`${where}: of ${label} came ${n}, expected ${expected}`)
    this.next[sequence] = n + PARTITIONS
    this.counts[label] = (this.counts[label] ?? 0) + 1
    this.total++
  }

  expect(labels, each) {
    const right = labels.every((label) => this.counts[label] === each) && Object.keys(this.counts).length === labels.length
    if (!right) throw new Error(`read ${JSON.stringify(this.counts)}, expected ${each} each of ${labels}`)
  }
}

module.exports = { EACH: 10_000, MORE: 100, PARTITIONS, PATIENCE_MS: 60_000, QUIET_MS: 300, Reader, record }
