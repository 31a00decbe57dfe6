/** The process of a side: `costs.ts` asks it for one slice after the other. */

/** A slice to measure. */
export interface Load {
  readonly inFlight: number
  readonly requestsPerSlice: number
}

/** One request, to the last byte of its response. */
export type Send = () => Promise<void>

/** What a slice took, in µs per request. */
export interface Cost {
  /** User and system time of all threads of the process, so garbage collection counts. */
  readonly cpu: number
  readonly wall: number
}

/** The other end, in a side's process: measures one slice for each message. */
export function answerLoads(send: Send): void {
  process.on('message', (load: Load) => void costOf(send, load).then((cost) => process.send?.(cost)))
  process.on('disconnect', () => process.exit())
  process.send?.('ready')
}

async function costOf(send: Send, { inFlight, requestsPerSlice }: Load): Promise<Cost> {
  let left = requestsPerSlice
  const worker = async (): Promise<void> => {
    while (left-- > 0) await send()
  }
  const startedAt = performance.now()
  const before = process.cpuUsage()
  await Promise.all(Array.from({ length: inFlight }, worker))
  const { user, system } = process.cpuUsage(before)
  const wallMs = performance.now() - startedAt
  return { cpu: (user + system) / requestsPerSlice, wall: (wallMs * 1000) / requestsPerSlice }
}
