/** Replaces a server's own `src/services/presence/presenceService.js`. */
export { PresenceService } from '../index';
