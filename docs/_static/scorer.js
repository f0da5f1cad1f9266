// What a search puts first. Sphinx counts where a word was found, and orders pages of
// one score by the alphabet: the changelog came before the page with the answer.
var Scorer = {
  score: ([page, , , , score]) => {
    if (page === "questions") return score + 8;
    if (/^(changelog|results|course|architecture|methods|data_matrix|develop)/.test(page))
      return score - 8;
    return page.includes("/") ? score : score + 2;  // a page that people wrote
  },
  // As Sphinx has them.
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
