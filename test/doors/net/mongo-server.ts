/**
 * What MongoDB's driver needs of a server, by hand: neither Debian nor npm has MongoDB itself. It answers `hello`, and any
 * other command with its address. https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/
 */
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { load } from './packages/load.ts'

type Document = Readonly<Record<string, unknown>>

const { serialize, deserialize } = await load<{
  serialize(document: object): Uint8Array
  deserialize(bytes: Uint8Array): Document
}>('bson')

const [address = '', port] = process.argv.slice(2)
const OP_REPLY = 1
const OP_QUERY = 2004
const OP_MSG = 2013
const HEADER_BYTES = 16
/** Commands take a while, so that those sent at once need connections of their own. */
const COMMAND_MS = 20

const HELLO = {
  helloOk: true,
  isWritablePrimary: true,
  ismaster: true,
  maxBsonObjectSize: 16_777_216,
  maxMessageSizeBytes: 48_000_000,
  maxWriteBatchSize: 100_000,
  minWireVersion: 0,
  maxWireVersion: 25,
  readOnly: false,
}

async function answer(command: Document): Promise<Uint8Array> {
  const isHello = ['hello', 'ismaster', 'isMaster'].some((name) => name in command)
  if (!isHello) await delay(COMMAND_MS)
  return serialize({ ...(isHello ? HELLO : { from: address }), ok: 1 })
}

/** @returns the reply to one message; undefined for one that wants none */
async function reply(message: Buffer): Promise<Buffer | undefined> {
  const [requestId, code] = [message.readInt32LE(4), message.readInt32LE(12)]
  if (code === OP_MSG) {
    const flags = Buffer.alloc(4)
    const moreToCome = (message.readUInt32LE(HEADER_BYTES) & 2) !== 0
    const document = await answer(deserialize(message.subarray(HEADER_BYTES + 5)))
    return moreToCome ? undefined : framed(requestId, OP_MSG, [flags, Buffer.from([0]), document])
  }
  if (code !== OP_QUERY) throw new Error(`operation ${code}`)
  const nameEnd = message.indexOf(0, HEADER_BYTES + 4)
  const document = await answer(deserialize(message.subarray(nameEnd + 9)))
  const counts = Buffer.alloc(20)
  counts.writeInt32LE(1, 16)
  return framed(requestId, OP_REPLY, [counts, document])
}

function framed(responseTo: number, code: number, parts: readonly Uint8Array[]): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  const body = Buffer.concat(parts)
  header.writeInt32LE(HEADER_BYTES + body.length, 0)
  header.writeInt32LE(responseTo, 8)
  header.writeInt32LE(code, 12)
  return Buffer.concat([header, body])
}

createServer((socket) => {
  let pending = Buffer.alloc(0)
  socket.on('error', () => undefined)
  socket.on('data', (chunk) => {
    pending = Buffer.concat([pending, chunk])
    while (pending.length >= HEADER_BYTES && pending.length >= pending.readInt32LE(0)) {
      const length = pending.readInt32LE(0)
      const message = pending.subarray(0, length)
      pending = pending.subarray(length)
      void reply(message).then((bytes) => bytes !== undefined && socket.writable && socket.write(bytes))
    }
  })
}).listen(Number(port), address)
