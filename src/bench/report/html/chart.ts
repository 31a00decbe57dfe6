/** What the charts share: frame, axes, lines. Each is drawn twice, since text in a drawing that shrinks is not readable. */
import { html, Markup } from './markup.ts'
import type { Scale } from './scale.ts'

export interface Frame {
  readonly width: number
  readonly height: number
  readonly left: number
  readonly right: number
  readonly top: number
  readonly bottom: number
}

/** A desktop, and a phone of 360 pixels without its margins. */
const WIDTHS = { wide: 860, narrow: 328 } as const

interface Drawing {
  readonly height: number
  readonly content: Markup
  /** [all] */
  readonly width?: number
}

/** The chart for wide and for narrow screens; the style sheet shows one of them. */
export function responsive(label: string, draw: (width: number) => Drawing): Markup {
  const drawn = Object.entries(WIDTHS).map(([kind, width]) => {
    const { height, content, width: drawnWidth = width } = draw(width)
    return html`<svg
      class="chart ${kind}"
      viewBox="0 0 ${drawnWidth} ${height}"
      role="img"
      aria-label="${label}"
    >
      ${content}
    </svg>`
  })
  return html`${drawn}`
}

/** What an axis shows. */
export interface Axis {
  readonly scale: Scale
  readonly text: (tick: number) => string
  readonly name: string
}

/** A line with its label below for each tick. */
export function columns({ scale, text }: Omit<Axis, 'name'>, top: number, floor: number): Markup[] {
  return scale.ticks.map((tick) => {
    const at = round(scale.at(tick))
    return html`<line class="grid" x1="${at}" x2="${at}" y1="${top}" y2="${floor}" /><text
        x="${at}"
        y="${floor + 16}"
        text-anchor="middle"
        >${text(tick)}</text
      >`
  })
}

/** Lines and labels of both axes. */
export function axes({ width, height, left, right, top, bottom }: Frame, x: Axis, y: Axis): Markup {
  const [floor, end] = [height - bottom, width - right]
  const rows = y.scale.ticks.map((tick) => {
    const at = round(y.scale.at(tick))
    return html`<line class="grid" x1="${left}" x2="${end}" y1="${at}" y2="${at}" /><text
        x="${left - 6}"
        y="${at + 4}"
        text-anchor="end"
        >${y.text(tick)}</text
      >`
  })
  return html`${rows}${columns(x, top, floor)}<text class="axis" x="${left}" y="${top - 8}">${y.name}</text
    ><text class="axis" x="${end}" y="${height - 4}" text-anchor="end">${x.name}</text>`
}

/** Points that are undefined leave a gap. */
export function polyline(
  points: readonly (readonly [number, number] | undefined)[],
  className: string,
): Markup {
  let path = ''
  let isDown = false
  for (const point of points) {
    if (point !== undefined) path += `${isDown ? 'L' : 'M'}${round(point[0])} ${round(point[1])}`
    isDown = point !== undefined
  }
  return path === '' ? new Markup('') : html`<path class="${className}" d="${path}" />`
}

/** Names of the arms with their colours. */
export function legend(arms: readonly { readonly name: string; readonly label: string }[]): Markup {
  return html`<p class="legend">
    ${arms.map(({ name, label }) => html`<span><i class="swatch ${name}"></i>${label}</span>`)}
  </p>`
}

export function round(value: number): number {
  return Math.round(value * 10) / 10
}
