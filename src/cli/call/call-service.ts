import { systemClock } from '../../core/clock.ts'
import { reasonOf } from '../../core/errors.ts'
import type { ExitCode } from '../command.ts'
import { wrongValue } from '../options/option.ts'
import { hasAddress, serviceUrlOf, withoutQuery } from '../options/request-parts.ts'
import { inCommandWords } from '../terminal/command-words.ts'
import type { Io } from '../terminal/io.ts'
import type { Output } from '../terminal/output.ts'
import { preload } from '../endpoints/busy-start.ts'
import { armsFor, type Arm, type ArmValues } from './arms.ts'
import { Picks } from './picks.ts'
import { Recorder } from './recorder.ts'
import { attemptReport, hasFailed, type CallReport } from './report.ts'
import { requestOf, type CallRequest, type RequestValues } from './request.ts'
import { callLines, headLine, summaryLines } from './show.ts'

interface CallServiceValues extends ArmValues, RequestValues {
  readonly count: number
  readonly body: boolean
  readonly json: boolean
}

/** Calls, one after the other, and prints each with its attempts. After an interruption, prints what there is. */
export async function callService(text: string, options: CallServiceValues, io: Io): Promise<ExitCode> {
  const url = urlOf(text)
  const shownUrl = withoutQuery(url.href)
  const request = await requestOf(options, io)
  const arms = armsFor(url.hostname, options)
  await preload(options.discovery)
  const reports: CallReport[] = []
  // The body is the result then, and all else a note.
  const show = options.body ? io.note : io.print
  const out: Output = options.body ? io.err : io.out
  let body: Buffer | undefined
  if (!options.json) {
    show(`${request.method} ${shownUrl}, times in ms`)
    show(headLine(out))
  }
  try {
    for (let index = 0; index < options.count * arms.length && !io.signal.aborted; index++) {
      const arm = arms[index % arms.length] as Arm
      const done = await callOnce(Math.floor(index / arms.length) + 1, arm, url, request, io.signal)
      body = done.body ?? body
      reports.push(done.report)
      if (options.json) continue
      for (const line of callLines(done.report, out)) show(line)
      const warning = newWarning(reports)
      if (warning !== undefined) show(`      ${out.style('yellow', warning)}`)
    }
  } finally {
    await Promise.all(arms.map(({ client }) => client.dispatcher.destroy()))
  }
  if (options.json)
    show(JSON.stringify({ url: shownUrl, method: request.method, calls: reports }, undefined, 2))
  else if (reports.length > 1) for (const line of summaryLines(reports, out)) show(line)
  if (options.body && body !== undefined) io.out.write(body)
  return reports.some(hasFailed) ? 1 : 0
}

function urlOf(text: string): URL {
  const url = serviceUrlOf(text)
  if (hasAddress(url)) throw wrongValue('URL', text, 'the name of a service as host, not an address')
  return url
}

/** That of the last call, unless it is shown already: by a call before, or by the call's error. */
function newWarning(reports: readonly CallReport[]): string | undefined {
  const { warning, error = '' } = reports.at(-1) ?? {}
  if (warning === undefined || error.includes(warning)) return undefined
  return reports.slice(0, -1).some((before) => before.warning === warning) ? undefined : warning
}

/** One call, its body read to the end. */
async function callOnce(
  call: number,
  { way, client }: Arm,
  url: URL,
  request: CallRequest,
  signal: AbortSignal,
): Promise<{ readonly report: CallReport; readonly body: Buffer | undefined }> {
  const picks = new Picks(client)
  const recorder = new Recorder((trace) =>
    way === 'fallback' ? 'the load balancer, by --via' : picks.explain(trace),
  )
  const begunAt = systemClock.now()
  let status: number | undefined
  let error: string | undefined
  let body: Buffer | undefined
  try {
    const response = await client.request(url, { ...request, signal } as Parameters<typeof client.request>[1])
    status = response.statusCode
    body = Buffer.from(await response.body.arrayBuffer())
  } catch (cause) {
    error = signal.aborted ? 'interrupted' : inCommandWords(reasonOf(cause))
  }
  const totalMs = systemClock.now() - begunAt
  // What performance entries and the ends of cancelled attempts need.
  await new Promise<void>((resolve) => systemClock.afterIo(resolve))
  const attempts = recorder.stop().map(attemptReport)
  picks.stop()
  const found = client.inspect().services[url.hostname]?.warning
  const warning = found === undefined ? undefined : inCommandWords(found)
  return { report: { call, via: way, status, error, totalMs, warning, attempts }, body }
}
