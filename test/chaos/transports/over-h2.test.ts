import { TRANSPORTS } from '../../support/transports/transports.ts'
import { testAsOverHttp } from './as-over-http.ts'

testAsOverHttp(TRANSPORTS.h2)
