import { formatAddressPort } from '../../../core/ip.ts'
import { listed } from '../../terminal/counted.ts'
import { fine, unchecked, warning, type Finding, type HostCheck } from '../check.ts'

/** Date headers have whole seconds, and clocks that are kept by NTP differ by milliseconds. */
const MAX_OFFSET_MS = 5_000
/** AWS refuses signatures that are older. */
const SIGNATURE_MS = 300_000

/** Our clock against those of the tasks and the load balancer, by their Date headers. */
export const clocks: HostCheck = {
  title: 'clocks',
  async run({ probes, fallbackProbe, target }) {
    const offsets = (await probes()).flatMap(({ row, port, probe }) =>
      probe.step === 'done'
        ? [{ place: formatAddressPort(row.address, port), offset: probe.clockOffsetMs }]
        : [],
    )
    const balancer = await fallbackProbe()
    if (balancer?.step === 'done')
      offsets.push({ place: target.fallback?.origin ?? '', offset: balancer.clockOffsetMs })
    const known = offsets.flatMap(({ place, offset }) => (offset === undefined ? [] : [{ place, offset }]))
    if (known.length === 0)
      return unchecked(
        offsets.length === 0 ? 'unknown: nothing answers' : 'unknown: no answer has a Date header',
      )
    const wrongOnes = known.filter(({ offset }) => Math.abs(offset) > MAX_OFFSET_MS)
    if (wrongOnes.length === 0) return fine(`${known.length} compared, within ${MAX_OFFSET_MS / 1000} s`)
    // Where all others disagree alike with this process, its own clock is the wrong one.
    const isOwn = wrongOnes.length === known.length && known.length > 1
    return clockOff(wrongOnes, isOwn)
  },
}

function clockOff(
  wrongOnes: readonly { readonly place: string; readonly offset: number }[],
  isOwn: boolean,
): Finding {
  const text = listed(
    wrongOnes.map(
      ({ place, offset }) =>
        `${place} is ${Math.abs(Math.round(offset / 1000))} s ${offset > 0 ? 'ahead' : 'behind'}`,
    ),
  )
  const most = Math.max(...wrongOnes.map(({ offset }) => Math.abs(offset)))
  const signatures = most > SIGNATURE_MS ? ' AWS refuses signatures that are more than 5 min off.' : ''
  return warning('clock-off', {
    what: isOwn ? `the clock of this process differs from all others: ${text}` : text,
    cause: `A clock is not kept by NTP: an emulator, a suspended machine, or a faked time.${signatures}`,
    remedy:
      'On Fargate the platform keeps the time; elsewhere use the Amazon Time Sync Service (169.254.169.123).',
  })
}
