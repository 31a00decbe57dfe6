/**
 * A script with a client that it never closes: one call, then the time given for a lookup to begin in the background,
 * then its end. Tells how the call went, and how long the process lived on.
 */
import { createClient, staticResolver, type ClientOptions } from 'onehop'

export interface Script {
  readonly options: ClientOptions
  /** The call, which `abortMs` may end. */
  readonly url: string
  readonly abortMs?: number
  /** After the call, with calls every 100 ms, so that the name is in use. */
  readonly afterMs: number
  /** A resolver of the script's own: answers once, and then never again. */
  readonly own?: string
}

export interface Told {
  readonly call: string
  readonly livedOnMs: number
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
    resolve: async (service, signal) =>
      lookups++ === 0
        ? { ...(await once.resolve(service, signal)), expiresAt: performance.now() }
        : new Promise(() => undefined),
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
for (const until = performance.now() + script.afterMs; performance.now() < until;) {
  await new Promise((resolve) => setTimeout(resolve, 100))
  await call()
}
const doneAt = performance.now()
process.on('exit', () => {
  const told: Told = { call: first, livedOnMs: Math.round(performance.now() - doneAt) }
  console.log(JSON.stringify(told))
})
