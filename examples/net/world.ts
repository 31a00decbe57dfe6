/** Where these examples run: the tests start a server of each kind, and pass its address. On Fargate `options` is empty. */
import type { ClientOptions } from 'onehop'

export const local: { readonly options: ClientOptions } = {
  options: JSON.parse(process.env['ONEHOP_EXAMPLE'] ?? '{}') as ClientOptions,
}
