import type { ArmReport, BenchReport } from '../report.ts'
import { digits, duration } from '../numbers.ts'
import { axes, legend, polyline, responsive, type Frame } from './chart.ts'
import { html, type Markup } from './markup.ts'
import { linearScale, logScale, type Pixels, type Scale } from './scale.ts'

const HEIGHT = 320
const NINES = [0.5, 0.9, 0.99, 0.999, 0.9999]

/** Latency by percentile, the way HdrHistogram plots it: each nine takes as much room as the one before. */
export function distributionChart({ arms }: BenchReport): Markup {
  const shown = arms.filter(({ distribution }) => distribution.length > 0)
  const label = `Latency by percentile: ${shown.map((arm) => arm.label).join(', ')}`
  return html`${legend(shown)}${responsive(label, (width) => {
    const frame = frameOf(width)
    const last = Math.max(0.9, ...shown.flatMap(({ distribution }) => distribution.map(({ share }) => share)))
    const nines = NINES.filter((share) => share <= last)
    const onAxis = linearScale(0, -Math.log10(1 - last), across(frame))
    const at = (share: number): number => onAxis.at(-Math.log10(1 - share))
    const y = latencyScale(
      shown.flatMap(({ distribution }) => distribution.map(({ ms }) => ms)),
      frame,
    )
    const x: Scale = { at, ticks: nines }
    const lines = shown.map(({ name, distribution, latency }) => {
      // Beyond the last percentile with enough samples a few calls decide.
      const sure = Math.max(0, ...latency.filter(({ ms }) => ms !== null).map(({ share }) => share))
      const point = ({ share, ms }: (typeof distribution)[number]): readonly [number, number] => [
        at(share),
        y.at(ms),
      ]
      const certain = distribution.filter(({ share }) => share <= sure + 1e-9)
      const rest = distribution.slice(Math.max(0, certain.length - 1))
      return html`${polyline(certain.map(point), `line ${name}`)}${polyline(rest.map(point), `line unsure ${name}`)}`
    })
    const content = html`${axes(
      frame,
      {
        scale: x,
        text: (share) => `${Number((share * 100).toFixed(2))} %`,
        name: 'calls that were at most as slow',
      },
      { scale: y, text: digits, name: 'ms' },
    )}${lines}`
    return { height: HEIGHT, content }
  })}`
}

/** The median of each moment as a line, and its slowest call as a dot. */
export function timelineChart({ arms, load }: BenchReport): Markup {
  const shown = arms.filter(({ timeline }) => timeline.length > 0)
  const label = `Latency over time: ${shown.map((arm) => arm.label).join(', ')}`
  return html`${legend(shown)}${responsive(label, (width) => {
    const frame = frameOf(width)
    const x = linearScale(
      load.cutMs,
      Math.max(load.durationMs, load.cutMs + 1),
      across(frame),
      width < 500 ? 4 : 6,
    )
    const y = latencyScale(shown.flatMap(valuesOf), frame)
    const dots = shown.map(
      ({ name, timeline }) =>
        html`${timeline.flatMap(({ startMs, maxMs }) =>
          maxMs === null
            ? []
            : [
                html`<circle
                  class="dot ${name}"
                  cx="${Math.round(x.at(startMs))}"
                  cy="${Math.round(y.at(maxMs))}"
                  r="1.5"
                />`,
              ],
        )}`,
    )
    const lines = shown.map(({ name, timeline }) =>
      polyline(
        timeline.map(({ startMs, p50Ms }) => (p50Ms === null ? undefined : [x.at(startMs), y.at(p50Ms)])),
        `line ${name}`,
      ),
    )
    const content = html`${axes(
      frame,
      { scale: x, text: duration, name: 'since the start' },
      { scale: y, text: digits, name: 'ms' },
    )}${dots}${lines}`
    return { height: HEIGHT, content }
  })}`
}

function valuesOf({ timeline }: ArmReport): number[] {
  return timeline.flatMap(({ p50Ms, maxMs }) => [p50Ms, maxMs].filter((value) => value !== null))
}

function frameOf(width: number): Frame {
  return { width, height: HEIGHT, left: 48, right: 16, top: 24, bottom: 40 }
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
