import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'
import { decode, encode, type Answer, type DecodedPacket, type RecordType } from 'dns-packet'

export type DnsAnswer = DecodedPacket & { rcode: string }

export interface Question {
  readonly name: string
  readonly type?: string
  readonly id?: number
  /** EDNS0 payload size; undefined: no EDNS. */
  readonly ednsBytes?: number
}

export function query({ name, type = 'A', id = 7, ednsBytes }: Question): Buffer {
  const opt = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: ednsBytes,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  } as Answer
  return encode({
    type: 'query',
    id,
    questions: [{ name, type: type as RecordType }],
    additionals: ednsBytes === undefined ? [] : [opt],
  })
}

export function portOf(server: string): number {
  return Number(server.split(':')[1])
}

/** The next datagram that comes back for this one. */
export async function exchangeUdp(server: string, message: Buffer, signal?: AbortSignal): Promise<Buffer> {
  const socket = createSocket('udp4')
  try {
    socket.send(message, portOf(server), '127.0.0.1')
    const [reply] = (await once(socket, 'message', { signal })) as [Buffer]
    return reply
  } finally {
    socket.close()
  }
}

export async function askUdp(server: string, question: Question, signal?: AbortSignal): Promise<DnsAnswer> {
  return decode(await exchangeUdp(server, query(question), signal)) as DnsAnswer
}

/** Sends all at once, in pieces of `pieceBytes`, and reads as many answers. */
export async function askTcp(
  server: string,
  questions: readonly Question[],
  pieceBytes: number = Number.POSITIVE_INFINITY,
): Promise<DnsAnswer[]> {
  const socket = connect(portOf(server), '127.0.0.1')
  socket.setNoDelay(true)
  const framed = Buffer.concat(
    questions.flatMap((question) => {
      const message = query(question)
      return [Buffer.from([message.length >> 8, message.length & 0xff]), message]
    }),
  )
  const answers: DnsAnswer[] = []
  try {
    await once(socket, 'connect')
    for (let at = 0; at < framed.length; at += pieceBytes)
      await new Promise((resolve) => socket.write(framed.subarray(at, at + pieceBytes), resolve))
    let received = Buffer.alloc(0)
    for await (const chunk of socket) {
      received = Buffer.concat([received, chunk as Buffer])
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0)
        answers.push(decode(received.subarray(2, end)) as DnsAnswer)
        received = received.subarray(end)
      }
      if (answers.length === questions.length) return answers
    }
    throw new Error(`the connection ended after ${answers.length} answers`)
  } finally {
    socket.destroy()
  }
}

export function addressesIn(answer: DnsAnswer): string[] {
  return (answer.answers ?? []).flatMap((record) =>
    record.type === 'A' || record.type === 'AAAA' ? [record.data] : [],
  )
}
