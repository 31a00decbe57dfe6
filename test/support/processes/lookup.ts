/**
 * A script with a client that it never closes: one call, then more, until a lookup is under way in the background, then its
 * end. Reports how the call went, and how long the process waited for anything after it.
 */
import { createClient, staticResolver, type ClientOptions } from 'onehop'

export interface Script {
  readonly options: ClientOptions
  /** The call, which `abortMs` may end. */
  readonly url: string
  readonly abortMs?: number
  /** Whether calls go on every 100 ms, so that the name is in use, until something is written to its input. */
  readonly callsOn?: boolean
  /** A resolver of the script's own: answers once, and then never again. */
  readonly own?: string
}

export interface Told {
  readonly call: string
  /** In which the event loop did nothing but wait. How busy the machine is does not count. */
  readonly waitedOnMs: number
}

const script = JSON.parse(process.argv[2] ?? '') as Script
const client = createClient({
  ...script.options,
  ...(script.own !== undefined && { discovery: answersOnce(script.own) }),
})

function answersOnce(address: string): NonNullable<ClientOptions['discovery']> {
  const once = staticResolver({ 'orders.shop.local': [address] })
  let lookups = 0
  return {
    trusted: true,
    resolve: async (service, signal) => {
      if (lookups++ === 0) return { ...(await once.resolve(service, signal)), expiresAt: performance.now() }
      process.stderr.write('the second lookup\n')
      return new Promise(() => undefined)
    },
  }
}

async function call(): Promise<string> {
  const { url, abortMs } = script
  const signal = abortMs === undefined ? undefined : AbortSignal.timeout(abortMs)
  try {
    const response = await client.fetch(url, signal === undefined ? {} : { signal })
    return await response.text()
  } catch (error) {
    return (error as Error).name
  }
}

const first = await call()
const input = { isOver: script.callsOn !== true }
if (!input.isOver)
  process.stdin.once('data', () => {
    input.isOver = true
    process.stdin.destroy()
  })
while (!input.isOver) {
  await new Promise((resolve) => setTimeout(resolve, 100))
  await call()
}
const done = performance.eventLoopUtilization()
process.on('exit', () => {
  const told: Told = {
    call: first,
    waitedOnMs: Math.round(performance.eventLoopUtilization(done).idle),
  }
  console.log(JSON.stringify(told))
})
