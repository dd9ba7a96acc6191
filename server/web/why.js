import { element } from './dom.js';
import { explanationView } from './explanation.js';
import { post } from './request.js';

/** A button, and the panel that it opens; the server explains when it is opened for the first time. */
export function why({ docid, rank, title }, { query, k, titleOf }) {
  const panel = element('section', { className: 'panel', id: `why-${rank}`, hidden: true });
  panel.setAttribute('aria-label', `Why ${title}?`);
  const button = element('button', { type: 'button', className: 'why' }, 'Why this document?');
  button.setAttribute('aria-controls', panel.id);
  button.setAttribute('aria-expanded', 'false');
  const say = (text, role) => {
    const line = element('p', { className: role }, text);
    line.setAttribute('role', role);
    panel.replaceChildren(line);
  };
  let asked = false;
  async function ask() {
    asked = true;
    say('Looking into the model …', 'status');
    try {
      // Allowed alone, this very document comes out, if the model has it; the search that is shown is as wide as this one.
      const { candidates } = await post('/retrieve', { query, k, allow: [docid], explain: true });
      if (candidates.length > 0) {
        const { explanation, pathExplanation } = candidates[0];
        panel.replaceChildren(...explanationView(explanation ?? pathExplanation, titleOf));
      } else say('The model does not have this document; it was found by its words alone.', 'status');
    } catch (error) {
      asked = false;
      say(error.message, 'alert');
    }
  }
  button.addEventListener('click', () => {
    panel.hidden = !panel.hidden;
    button.setAttribute('aria-expanded', String(!panel.hidden));
    if (!panel.hidden && !asked) void ask();
  });
  return [button, panel];
}
