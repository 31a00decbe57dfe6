import { define, type Command } from './command.ts'
import { discoveryFlags, json, timeout } from './options/client-flags.ts'
import { number } from './options/option.ts'

const watch: Command = define({
  operands: { name: 'HOST', min: 1, max: 1 },
  description: `Shows the endpoints as resolve does, then a line for each change: endpoints that come and go, their health
and zone, where DNS and the API begin or cease to differ, sources that fail and recover. Ends with Ctrl-C.
HOST may be a URL; its host counts.
With --json one JSON object a line: first { event: "snapshot" }, then what changed, with its time.`,
  options: {
    ...discoveryFlags,
    every: number('MS', 'how often both sources are asked [2000]', {
      default: 2_000,
      min: 100,
      max: 3_600_000,
    }),
    timeout,
    json,
  },
  examples: [
    { line: 'onehop watch orders.shop.local', does: 'during a deployment' },
    { line: 'onehop watch --json orders.shop.local >> changes.ndjson', does: 'for programs' },
  ],
  async run({ options, operands: [host = ''] }, io) {
    const { watchEndpoints } = await import('./endpoints/watch.ts')
    return watchEndpoints(host, options, io)
  },
})

export default watch
