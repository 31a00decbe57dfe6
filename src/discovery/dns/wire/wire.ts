/** What a DNS question needs once it is asked, in one module: it is loaded with the first question, and not before. */
export { decodeAnswer, encodeQuery } from './message.ts'
export { exchangeTcp, exchangeUdp } from './transport.ts'
