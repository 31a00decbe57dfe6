import { define, type Command } from './command.ts'
import { callFlags, discoveryFlags, json } from './options/client-flags.ts'
import { commaList, flag, list, number, text, valued } from './options/option.ts'
import { methodOf } from './options/request-parts.ts'

const call: Command = define({
  operands: { name: 'URL', min: 1, max: 1 },
  description: `Sends a request as an application with onehop does, and shows each attempt: which task, why it was picked, and how long
discovery, connection, TLS, response headers and body took, in ms. Retries, hedges and fallbacks are attempts of their own.
Exits with 1 if a call fails or is answered with 5xx.`,
  options: {
    request: valued('METHOD', 'the method [GET; with --data POST]', methodOf, { short: 'X' }),
    header: list('HEADER', "a header, 'name: value'; may be repeated", { short: 'H' }),
    data: text('DATA', 'the body; @FILE reads a file, @- stdin', { short: 'd' }),
    count: number('N', 'calls, one after the other [1]', { short: 'n', default: 1, min: 1, max: 100_000 }),
    via: commaList(
      'WAY',
      'direct, fallback, or both alternately: direct,fallback [tasks first, as a client does]',
    ),
    body: flag('the body of the last response on stdout, all else on stderr'),
    timeout: number('MS', 'for a call with all attempts and its body [30000]', {
      default: 30_000,
      min: 1,
      max: 86_400_000,
    }),
    hedge: flag('a second attempt beside a slow one (after 100 calls)'),
    ...callFlags,
    ...discoveryFlags,
    json,
  },
  examples: [
    { line: 'onehop call http://orders.shop.local:8080/health', does: 'one call, with its attempts' },
    {
      line: "onehop call -X POST -H 'content-type: application/json' -d '{\"item\":1}' http://orders.shop.local/orders",
      does: 'as curl does it',
    },
    {
      line: 'onehop call -n 20 --via direct,fallback --fallback http://internal-orders.elb.amazonaws.com http://orders.shop.local/',
      does: 'both ways alternately',
    },
    { line: 'onehop call --body http://orders.shop.local/orders/7 | jq .', does: 'the body for programs' },
  ],
  async run({ options, operands: [url = ''] }, io) {
    const { callService } = await import('./call/call-service.ts')
    return callService(url, options, io)
  },
})

export default call
