// Asks again and again, patiently where there is trouble, and not at all while nobody looks.

const LONGEST = 15; // s between two tries, however long the trouble lasts

// look() asks and shows, and returns the seconds until the next time; trouble(error) is told why it could not.
export function poll(look, trouble) {
  let timer = 0;
  let failures = 0;
  let ended = false;
  let busy = false;

  async function round() {
    if (busy || ended || document.hidden) return;
    busy = true;
    let pause;
    try {
      pause = await look();
      failures = 0;
    } catch (error) {
      if (ended) return;
      failures += 1;
      pause = Math.max(error.retryAfter ?? 0, Math.min(2 ** (failures - 1), LONGEST));
      trouble(error);
    } finally {
      busy = false;
    }
    clearTimeout(timer);
    if (!ended) timer = setTimeout(round, pause * 1000);
  }

  document.addEventListener("visibilitychange", round);
  round();
  return () => {
    ended = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", round);
  };
}
