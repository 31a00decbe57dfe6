import { formatAddressPort } from '../../../core/ip.ts'
import { listed } from '../../terminal/counted.ts'
import { fine, unchecked, warning, type HostCheck } from '../check.ts'

/** Date headers have whole seconds, and clocks that are kept by NTP differ by milliseconds. */
const MAX_OFFSET_MS = 5_000
/** AWS refuses signatures that are older. */
const SIGNATURE_MS = 300_000

/** Our clock against those of the tasks and the load balancer, by their Date headers. */
export const clocks: HostCheck = {
  title: 'clocks',
  async run({ probes, fallbackProbe, target }) {
    const called = (await probes()).map(({ row, port, probe }) => ({
      place: formatAddressPort(row.address, port),
      probe,
    }))
    const balancer = { place: target.fallback?.origin ?? '', probe: await fallbackProbe() }
    const offsets = [...called, balancer].flatMap(({ place, probe }) =>
      probe?.step === 'done' ? [{ place, offset: probe.clockOffsetMs }] : [],
    )
    const known = offsets.flatMap(({ place, offset }) => (offset === undefined ? [] : [{ place, offset }]))
    if (known.length === 0)
      return unchecked(
        offsets.length === 0 ? 'unknown: nothing answers' : 'unknown: no answer has a Date header',
      )
    const wrong = known.filter(({ offset }) => Math.abs(offset) > MAX_OFFSET_MS)
    if (wrong.length === 0) return fine(`${known.length} compared, within ${MAX_OFFSET_MS / 1000} s`)
    const differences = wrong.map(({ place, offset }) => {
      const seconds = Math.abs(Math.round(offset / 1000))
      return `${place} is ${seconds} s ${offset > 0 ? 'ahead' : 'behind'}`
    })
    const most = Math.max(...wrong.map(({ offset }) => Math.abs(offset)))
    const signatures = most > SIGNATURE_MS ? ' AWS refuses signatures that are more than 5 min off.' : ''
    // Where all others disagree alike with this process, its own clock is the wrong one.
    const isOwn = wrong.length === known.length && known.length > 1
    return warning('clock-off', {
      what: `${isOwn ? 'the clock of this process differs from all others: ' : ''}${listed(differences)}`,
      cause: `A clock is not kept by NTP: an emulator, a suspended machine, or a faked time.${signatures}`,
      remedy:
        'On Fargate the platform keeps the time; elsewhere use the Amazon Time Sync Service (169.254.169.123).',
    })
  },
}
