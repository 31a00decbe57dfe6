import { define, type Command } from './command.ts'
import { discoveryFlags, json, timeout } from './options/client-flags.ts'

const resolve: Command = define({
  operands: { name: 'HOST', min: 1, max: 1 },
  description: `Asks DNS and the Cloud Map API side by side, and shows every endpoint with what each of them knows.
HOST may be a URL; its host counts. Where they differ, a line says why:
  *  expected: an unhealthy task, or DNS that names 8 of many
  !  a finding: DNS names a task that is not registered any more, or does not have one yet`,
  options: { ...discoveryFlags, timeout, json },
  examples: [
    { line: 'onehop resolve orders.shop.local', does: 'both sources' },
    { line: 'onehop resolve --discovery dns --dns-server 10.0.0.2 orders.shop.local', does: 'DNS alone' },
    { line: "onehop resolve --json orders.shop.local | jq -r '.endpoints[].address'", does: 'for programs' },
  ],
  async run({ options, operands: [host = ''] }, io) {
    const { hasFinding, lookAt, serviceOf } = await import('./endpoints/lookup.ts')
    const { lookJson, lookLines } = await import('./endpoints/show.ts')
    const look = await lookAt(serviceOf(host, options), options, io.signal)
    if (options.json) io.json(lookJson(look), 2)
    else io.print(...lookLines(look, io.out))
    return hasFinding(look) ? 1 : 0
  },
})

export default resolve
