import type { ArmReport, BenchReport, Point } from '../report.ts'
import { digits, duration } from '../numbers.ts'
import { axes, legend, polyline, responsive, type Axis, type Frame } from './chart.ts'
import { html, type Markup } from './markup.ts'
import { linearScale, logScale, type Pixels, type Scale } from './scale.ts'

const HEIGHT = 320
const NINES = [0.5, 0.9, 0.99, 0.999, 0.9999]

/** Latency by percentile, the way HdrHistogram plots it: each nine takes as much room as the one before. */
export function distributionChart({ arms }: BenchReport): Markup {
  const shown = arms.filter(({ distribution }) => distribution.length > 0)
  const points = shown.flatMap(({ distribution }) => distribution)
  const last = Math.max(0.9, ...points.map(({ share }) => share))
  const times = points.map(({ ms }) => ms)
  return latencyChart('Latency by percentile', shown, times, (frame, y) => {
    const onAxis = linearScale(0, -Math.log10(1 - last), across(frame))
    const at = (share: number): number => onAxis.at(-Math.log10(1 - share))
    const place = ({ share, ms }: Point): readonly [number, number] => [at(share), y.at(ms)]
    const lines = shown.map(({ name, distribution, latency }) => {
      // Beyond the last percentile with enough samples a few calls decide.
      const sure = Math.max(0, ...latency.filter(({ ms }) => ms !== null).map(({ share }) => share))
      const certain = distribution.filter(({ share }) => share <= sure + 1e-9)
      const rest = distribution.slice(Math.max(0, certain.length - 1))
      return html`${polyline(certain.map(place), `line ${name}`)}${polyline(rest.map(place), `line unsure ${name}`)}`
    })
    const x: Axis = {
      scale: { at, ticks: NINES.filter((share) => share <= last) },
      text: (share) => `${Number((share * 100).toFixed(2))} %`,
      name: 'calls that were at most as slow',
    }
    return { x, marks: lines }
  })
}

/** The median of each moment as a line, and its slowest call as a dot. */
export function timelineChart({ arms, load }: BenchReport): Markup {
  const shown = arms.filter(({ timeline }) => timeline.length > 0)
  const times = shown
    .flatMap(({ timeline }) => timeline.flatMap(({ p50Ms, maxMs }) => [p50Ms, maxMs]))
    .filter((time) => time !== null)
  return latencyChart('Latency over time', shown, times, (frame, y) => {
    const ticks = frame.width < 500 ? 4 : 6
    const scale = linearScale(load.cutMs, Math.max(load.durationMs, load.cutMs + 1), across(frame), ticks)
    const dots = shown.flatMap(({ name, timeline }) =>
      timeline.map(({ startMs, maxMs }) =>
        maxMs === null
          ? html``
          : html`<circle
              class="dot ${name}"
              cx="${Math.round(scale.at(startMs))}"
              cy="${Math.round(y.at(maxMs))}"
              r="1.5"
            />`,
      ),
    )
    const lines = shown.map(({ name, timeline }) =>
      polyline(
        timeline.map(({ startMs, p50Ms }) => (p50Ms === null ? undefined : [scale.at(startMs), y.at(p50Ms)])),
        `line ${name}`,
      ),
    )
    return { x: { scale, text: duration, name: 'since the start' }, marks: [...dots, ...lines] }
  })
}

/** With a legend, and latencies upwards. */
function latencyChart(
  what: string,
  arms: readonly ArmReport[],
  times: readonly number[],
  draw: (frame: Frame, y: Scale) => { readonly x: Axis; readonly marks: readonly Markup[] },
): Markup {
  const chart = responsive(`${what}: ${arms.map(({ label }) => label).join(', ')}`, (width) => {
    const frame = { width, height: HEIGHT, left: 48, right: 16, top: 24, bottom: 40 }
    const scale = latencyScale(times, frame)
    const { x, marks } = draw(frame, scale)
    const content = html`${axes(frame, x, { scale, text: digits, name: 'ms' })}${marks}`
    return { height: HEIGHT, content }
  })
  return html`${legend(arms)}${chart}`
}

function across({ left, right, width }: Frame): Pixels {
  return { from: left, to: width - right }
}

/** Latencies differ by factors: a tail is easily a hundred times the median. */
function latencyScale(values: readonly number[], { height, top, bottom }: Frame): Scale {
  const positive = values.filter((value) => value > 0)
  const min = positive.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)
  const max = positive.reduce((a, b) => Math.max(a, b), 0)
  const pixels = { from: height - bottom, to: top }
  return max === 0 ? linearScale(0, 1, pixels) : logScale(min * 0.9, max * 1.1, pixels)
}
