import { setTimeout as delay } from 'node:timers/promises'

/** One request of the demo, and how it ended. */
export interface Shot {
  readonly method: 'GET' | 'POST'
  readonly startedAt: number
  readonly ms: number
  /** The task that answered; undefined when the request failed. */
  readonly task: string | undefined
  readonly viaBalancer: boolean
  readonly error: Error | undefined
}

type Fetch = typeof globalThis.fetch

export async function shoot(fetch: Fetch, url: string, method: 'GET' | 'POST'): Promise<Shot> {
  const startedAt = performance.now()
  try {
    const init = method === 'POST' ? { method, body: JSON.stringify({ item: 'a book' }) } : { method }
    const response = await fetch(url, init)
    const { task } = (await response.json()) as { task: string }
    if (response.status !== 200) throw new Error(`status ${response.status}`)
    const viaBalancer = response.headers.get('x-via') === 'balancer'
    return {
      method,
      startedAt,
      ms: performance.now() - startedAt,
      task,
      viaBalancer,
      error: undefined,
    }
  } catch (error) {
    const ms = performance.now() - startedAt
    return { method, startedAt, ms, task: undefined, viaBalancer: false, error: error as Error }
  }
}

/**
 * Requests on a schedule, however long each takes, as users arrive. A closed loop would slow down with the service
 * and hide the worst moments. The methods alternate, and so do the clients.
 */
export async function openLoop(
  fetches: readonly Fetch[],
  url: string,
  perSecond: number,
  until: (shots: readonly Shot[], seconds: number) => boolean,
  methods: readonly ('GET' | 'POST')[] = ['GET', 'POST'],
): Promise<Shot[]> {
  const shots: Shot[] = []
  const pending: Promise<unknown>[] = []
  const start = performance.now()
  for (let count = 0; !until(shots, (performance.now() - start) / 1_000); count++) {
    const early = start + (count * 1_000) / perSecond - performance.now()
    if (early > 1) await delay(early)
    const method = methods[count % methods.length] ?? 'GET'
    const fetch = fetches[Math.floor(count / methods.length) % fetches.length] as Fetch
    pending.push(shoot(fetch, url, method).then((shot) => shots.push(shot)))
  }
  await Promise.all(pending)
  return shots
}

/** A fixed number of requests, `concurrency` at a time. */
export async function closedLoop(
  fetches: readonly Fetch[],
  url: string,
  requests: number,
  concurrency: number,
): Promise<Shot[]> {
  const shots: Shot[] = []
  let started = 0
  const worker = async (): Promise<void> => {
    while (started < requests) {
      const count = started++
      const fetch = fetches[(count >> 1) % fetches.length] as Fetch
      shots.push(await shoot(fetch, url, count % 2 === 0 ? 'GET' : 'POST'))
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  return shots
}

/** @param share 0.5 for the median */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}
