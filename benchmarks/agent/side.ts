/** One side of the comparison, in a process of its own: requests of `node:http` over one kind of agent. */
import http from 'node:http'
import type { LookupFunction } from 'node:net'
import { createClient, staticResolver } from 'onehop'
import { OnehopHttpAgent } from 'onehop/http'
import { ADDRESSES } from '../overhead/tasks.ts'
import { answerLoads, type Send } from '../sides/answer-loads.ts'

/**
 * `plain`: Node's keep-alive agent, to one task. `again`: the same once more, for the noise. `in turn`: the same to four
 * tasks, one after the other. `onehop`: `OnehopHttpAgent`, to four tasks. All call by name: the plain agents find the
 * address of a new connection in a table.
 */
export type Kind = 'plain' | 'again' | 'in turn' | 'onehop'

const HOST = 'orders.shop.local'

if (import.meta.main) {
  const [kind, port] = process.argv.slice(2) as [Kind, string]
  answerLoads(sendOf(kind, Number(port)))
}

function sendOf(kind: Kind, port: number): Send {
  if (kind === 'onehop') {
    const discovery = staticResolver({ [HOST]: ADDRESSES })
    const client = createClient({ services: { [HOST]: { port } }, discovery })
    return sendBy(new OnehopHttpAgent(client), { host: HOST })
  }
  const agent = new http.Agent({ keepAlive: true })
  const addresses = new Map(ADDRESSES.map((address, index) => [`task-${index}.${HOST}`, address]))
  const lookup: LookupFunction = (name, _options, callback) =>
    callback(null, [{ address: addresses.get(name) as string, family: 4 }])
  const sends = [...addresses.keys()].map((host) => sendBy(agent, { host, port, lookup }))
  let turn = 0
  return () => (sends[kind === 'in turn' ? turn++ % sends.length : 0] as Send)()
}

function sendBy(agent: http.Agent, target: http.RequestOptions): Send {
  const options: http.RequestOptions = { ...target, path: '/v1/orders/42', method: 'GET', agent }
  return () =>
    new Promise((resolve, reject) => {
      const request = http.request(options, (response) => {
        if (response.statusCode !== 200) reject(new Error(`status ${response.statusCode}`))
        response.on('end', resolve).resume()
      })
      request.on('error', reject).end()
    })
}
