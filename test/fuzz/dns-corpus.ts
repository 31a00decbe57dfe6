/** Answers as Route 53, Consul and other servers send them: what the mutations begin with. */
import type { DnsQuestion, DnsType } from '../../src/discovery/dns/wire/message.ts'
import { a, aaaa, cname, NXDOMAIN, opt, SERVFAIL, soa, srv } from '../support/dns/servers.ts'
import { writeMessage, type Written, type WrittenMessage } from './dns-writer.ts'

export const NAME = 'orders.shop.local'
const END = 'lb-1.eu-west-1.elb.example'

/** With a cookie (RFC 7873), as many servers send it. */
const OPT = opt([{ code: 10, data: Buffer.from('0123456789abcdef') }])

const asks = (type: DnsType, name = NAME): DnsQuestion => ({ id: 0x1234, name, type })
export const QUESTION: DnsQuestion = asks('A')
const times = <Item>(count: number, make: (index: number) => Item): Item[] =>
  Array.from({ length: count }, (_, index) => make(index))
const task = (index: number): string => `task-${index}.${NAME}`

export const WRITTEN: readonly Written[] = [
  ...[1, 2, 8, 40].map((count) => ({
    question: asks('A'),
    answers: times(count, (index) => a(NAME, `10.0.1.${index}`, 60)),
    additionals: [OPT],
  })),
  ...[1, 8, 30].map((count) => ({
    question: asks('AAAA'),
    answers: times(count, (index) => aaaa(NAME, `2600:1f18::${index + 1}`, 10)),
    additionals: [OPT],
  })),
  ...[1, 3, 8, 20].map((count) => ({
    question: asks('SRV'),
    answers: times(count, (index) => srv(NAME, task(index), 8080 + index, { weight: index })),
    additionals: [
      ...times(count, (index) => a(task(index), `10.0.2.${index}`, 60)),
      ...times(Math.min(3, count), (index) => aaaa(task(index), `fd00::${index + 1}`, 5)),
      OPT,
    ],
  })),
  // A service that was registered without a port, beside one with a port (Consul).
  {
    question: asks('SRV'),
    answers: [srv(NAME, task(0), 0), srv(NAME, task(1), 8080)],
    additionals: [a(task(0), '10.0.2.0'), a(task(1), '10.0.2.1')],
  },
  // Targets that have to be asked for.
  {
    question: asks('SRV'),
    answers: times(4, (index) => srv(NAME, task(index), 80, { priority: index >> 1 })),
  },
  ...[0, 1, 2].map((index) => ({ question: asks('A', task(index)), answers: [a(task(index), '10.0.3.1')] })),
  { question: asks('A'), answers: [cname(NAME, END, 300), a(END, '10.0.4.1', 20), a(END, '10.0.4.2', 20)] },
  { question: asks('A'), answers: [cname(NAME, 'other.example'), cname('other.example', END)] },
  // Aliases in a circle, over two answers.
  { question: asks('A'), answers: [cname(NAME, 'back.example')] },
  { question: asks('A', 'back.example'), answers: [cname('back.example', NAME)] },
  { question: asks('A', END), answers: [a(END, '10.0.4.3')] },
  { question: asks('A'), rcode: NXDOMAIN, authorities: [soa('shop.local', 15, 86_400)], additionals: [OPT] },
  { question: asks('AAAA'), authorities: [soa('shop.local', 15, 86_400)] },
  { question: asks('A'), authorities: [{ type: 'NS', name: 'local', ttl: 60, data: 'ns.example' }] },
  { question: asks('A'), rcode: SERVFAIL, additionals: [OPT] },
  // Records that nobody asked for.
  {
    question: asks('A'),
    answers: [
      { type: 'TXT', name: NAME, ttl: 60, data: ['v=1', 'x'.repeat(200)] },
      a(NAME, '10.0.1.1'),
      { type: 'MX', name: NAME, ttl: 60, data: { preference: 10, exchange: 'mail.example' } },
    ],
  },
]

export const CORPUS: readonly WrittenMessage[] = WRITTEN.flatMap((message) => [
  writeMessage(message, false),
  writeMessage(message, true),
])
