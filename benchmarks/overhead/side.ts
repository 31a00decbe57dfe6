/**
 * One side of the comparison, in a process of its own: V8 compiles undici for the handlers and the options that it sees,
 * and a process has one kind of client. Each message asks for one slice.
 */
import { createClient, staticResolver } from 'onehop'
import { Pool } from 'undici'
import { answerLoads, type Send } from '../sides/answer-loads.ts'
import { ADDRESSES } from './tasks.ts'

/** How a side finds the task for a request. */
export type Kind = 'onehop' | 'in turn' | 'at random'

const HOST = 'orders.shop.local'

if (import.meta.main) {
  const [kind, port] = process.argv.slice(2) as [Kind, string]
  answerLoads(sendOf(kind, Number(port)))
}

function sendOf(kind: Kind, port: number): Send {
  if (kind === 'onehop') {
    const discovery = staticResolver({ [HOST]: ADDRESSES })
    const client = createClient({ services: { [HOST]: { port } }, discovery })
    return sendBy(client.dispatcher, `http://${HOST}`)
  }
  const sends = ADDRESSES.map((address) => sendBy(new Pool(`http://${address}:${port}`)))
  let turn = 0
  return () => {
    const index = kind === 'in turn' ? turn++ % sends.length : Math.floor(Math.random() * sends.length)
    return (sends[index] as Send)()
  }
}

function sendBy(dispatcher: Pick<Pool, 'request'>, origin?: string): Send {
  const options = {
    path: '/v1/orders/42',
    method: 'GET' as const,
    ...(origin === undefined ? {} : { origin }),
  }
  return async () => {
    const { statusCode, body } = await dispatcher.request(options)
    if (statusCode !== 200) throw new Error(`status ${statusCode}`)
    await body.dump()
  }
}
