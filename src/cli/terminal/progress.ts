import type { Output } from './output.ts'

/** A bar on a terminal: how much is done, and for how long it will still take. */
export interface Progress {
  /**
   * @param label what is under way, e.g. `warm-up`
   * @param done from 0 to 1
   * @param leftMs what is left; undefined where that is unknown
   */
  set(label: string, done: number, leftMs?: number): void
  /** Takes the bar away until the next `set`, so that a line can be written. */
  clear(): void
}

const WIDTH = 24
const CLEAR_LINE = '\r\u001B[K'

/** Draws on `output`, if it is a terminal; else it does nothing. */
export function progressBar(output: Output): Progress {
  let drawn = ''
  const draw = (text: string): void => {
    if (!output.isTerminal || text === drawn) return
    drawn = text
    output.write(CLEAR_LINE + text)
  }
  return {
    set(label, done, leftMs) {
      const share = Math.min(1, Math.max(0, done))
      const full = Math.round(share * WIDTH)
      const bar = '█'.repeat(full) + '░'.repeat(WIDTH - full)
      const left = leftMs === undefined ? '' : `, ${duration(leftMs)} left`
      draw(`${label} ${bar} ${Math.round(share * 100)} %${left}`.slice(0, output.columns - 1))
    },
    clear: () => draw(''),
  }
}

/** `4 s`, `2 min 05 s` */
function duration(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000))
  if (seconds < 60) return `${seconds} s`
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`
}
