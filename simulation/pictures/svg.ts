/** Small line charts, legible on light and on dark pages. */

export interface Line {
  readonly name: string
  /** One value for each x. */
  readonly values: readonly number[]
}

export interface Chart {
  readonly title: string
  readonly xTitle: string
  readonly yTitle: string
  readonly x: readonly number[]
  readonly lines: readonly Line[]
  /** Top of the y axis. Higher values are drawn at the upper edge. */
  readonly most: number
  /** Spans of x with a fault, explained below the title. */
  readonly shaded?: readonly (readonly [from: number, to: number])[]
}

const WIDTH = 720
const HEIGHT = 300
const LEFT = 56
const RIGHT = 16
const TOP = 58
const BOTTOM = 44
// Distinct for colour-blind readers, too: M. Okabe, K. Ito, "Color Universal Design", 2008.
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9']
const GREY = '#808080'

export function draw(chart: Chart): string {
  const { x, lines, most, shaded = [] } = chart
  const first = x[0] ?? 0
  const last = x.at(-1) ?? 1
  const across = (value: number): string =>
    (LEFT + ((value - first) / (last - first)) * (WIDTH - LEFT - RIGHT)).toFixed(1)
  const down = (value: number): string =>
    (HEIGHT - BOTTOM - (Math.min(value, most) / most) * (HEIGHT - TOP - BOTTOM)).toFixed(1)
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12" fill="${GREY}" role="img">`,
    `<title>${chart.title}</title>`,
    `<text x="${LEFT}" y="18" font-size="14">${chart.title}</text>`,
    ...legend(lines),
    ...shaded.map(
      ([from, to]) =>
        `<rect x="${across(from)}" y="${TOP}" width="${(Number(across(to)) - Number(across(from))).toFixed(1)}" height="${HEIGHT - TOP - BOTTOM}" fill="${GREY}" opacity="0.15"/>`,
    ),
    ...ticks(0, most).flatMap((tick) => [
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${down(tick)}" y2="${down(tick)}" stroke="${GREY}" opacity="0.3"/>`,
      `<text x="${LEFT - 6}" y="${Number(down(tick)) + 4}" text-anchor="end">${tick}</text>`,
    ]),
    ...ticks(first, last).map(
      (tick) => `<text x="${across(tick)}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle">${tick}</text>`,
    ),
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 8}" text-anchor="middle">${chart.xTitle}</text>`,
    `<text transform="translate(14 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">${chart.yTitle}</text>`,
    ...lines.map(({ values }, index) => {
      const points = x.map((value, at) => `${across(value)},${down(values[at] ?? 0)}`).join(' ')
      return `<polyline points="${points}" fill="none" stroke="${COLOURS[index]}" stroke-width="2" stroke-linejoin="round"/>`
    }),
    '</svg>',
  ]
  return `${parts.join('\n')}\n`
}

function legend(lines: readonly Line[]): readonly string[] {
  let x = LEFT
  return lines.flatMap(({ name }, index) => {
    const at = x
    x += 34 + 7 * name.length
    return [
      `<line x1="${at}" x2="${at + 18}" y1="36" y2="36" stroke="${COLOURS[index]}" stroke-width="3"/>`,
      `<text x="${at + 23}" y="40">${name}</text>`,
    ]
  })
}

/** About five round numbers. */
function ticks(from: number, to: number): readonly number[] {
  const rough = (to - from) / 5
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power
  const numbers: number[] = []
  for (let tick = Math.ceil(from / step); tick * step <= to + 1e-9; tick++)
    numbers.push(Number((tick * step).toPrecision(6)))
  return numbers
}
