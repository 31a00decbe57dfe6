/** CPU time of a whole request over a socket: onehop beside a hand-written round robin. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createClient, staticResolver } from 'onehop'
import { Pool } from 'undici'
import type { Effort, Report, Row } from '../discovery/report.ts'
import { median } from '../discovery/statistics.ts'
import { ADDRESSES } from './tasks.ts'

const HOST = 'orders.shop.local'

interface Load {
  readonly inFlight: number
  readonly requestsPerSlice: number
}

/** Slices of about 30 ms: the speed of a shared machine changes from second to second, then for both sides alike. */
const LOADS: readonly Load[] = [
  { inFlight: 50, requestsPerSlice: 800 },
  { inFlight: 1, requestsPerSlice: 300 },
]
const PAIRS = 400

/** One request, to the last byte of its response. */
type Send = () => Promise<void>

export async function sockets({ quick }: Effort): Promise<Report> {
  const tasks = fork(new URL('tasks.ts', import.meta.url), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const [port] = (await once(tasks, 'message')) as [number]
  const pools = ADDRESSES.map((address) => new Pool(`http://${address}:${port}`))
  const client = createClient({
    services: { [HOST]: { port } },
    discovery: staticResolver({ [HOST]: ADDRESSES }),
  })
  try {
    const origin = `http://${HOST}`
    const subjects = { onehop: sendBy(client.dispatcher, origin), byHand: inTurn(pools) }
    const rows: Row[] = []
    for (const load of LOADS) rows.push(await compare(subjects, load, quick ? 2 : PAIRS))
    return {
      name: 'sockets',
      title: '1. A request over loopback to 4 tasks: CPU time of this process, in µs',
      columns: {
        inFlight: 'in flight',
        onehop: 'onehop',
        byHand: 'by hand',
        ratio: 'ratio',
        low: 'quartile',
        high: 'quartile',
      },
      rows,
      notes: [
        'by hand: four undici Pools in round robin, without discovery, balancing, health, retries and timeouts.',
        'onehop: the defaults, with a static resolver.',
        `ratio: median over ${quick ? 2 : PAIRS} pairs of slices, and its quartiles. The two sides take turns in going first.`,
      ],
    }
  } finally {
    await client.close()
    await Promise.all(pools.map((pool) => pool.close()))
    tasks.disconnect()
  }
}

async function compare(
  { onehop, byHand }: { readonly onehop: Send; readonly byHand: Send },
  load: Load,
  pairs: number,
): Promise<Row> {
  const costs = { onehop: [] as number[], byHand: [] as number[] }
  // The first pairs are a warm-up, for connections and V8.
  for (let pair = -Math.ceil(pairs / 10); pair < pairs; pair++) {
    const order = pair % 2 === 0 ? (['onehop', 'byHand'] as const) : (['byHand', 'onehop'] as const)
    for (const name of order) {
      const cost = await cpuPerRequest(name === 'onehop' ? onehop : byHand, load)
      if (pair >= 0) costs[name].push(cost)
    }
  }
  const ratios = costs.onehop
    .map((cost, pair) => cost / (costs.byHand[pair] ?? Number.NaN))
    .toSorted((a, b) => a - b)
  return {
    inFlight: load.inFlight,
    onehop: median(costs.onehop),
    byHand: median(costs.byHand),
    ratio: median(ratios),
    low: ratios[Math.floor(ratios.length / 4)] ?? Number.NaN,
    high: ratios[Math.floor((3 * ratios.length) / 4)] ?? Number.NaN,
  }
}

/** µs of user and system time of all threads of this process, so garbage collection counts. */
async function cpuPerRequest(send: Send, { inFlight, requestsPerSlice }: Load): Promise<number> {
  let left = requestsPerSlice
  const before = process.cpuUsage()
  const worker = async (): Promise<void> => {
    while (left-- > 0) await send()
  }
  await Promise.all(Array.from({ length: inFlight }, worker))
  const { user, system } = process.cpuUsage(before)
  return (user + system) / requestsPerSlice
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

function inTurn(pools: readonly Pool[]): Send {
  const sends = pools.map((pool) => sendBy(pool))
  let turn = 0
  return () => {
    const send = sends[turn++ % sends.length]
    if (send === undefined) throw new Error('the list of pools is empty')
    return send()
  }
}
