"""The driving side: from what a user says to a run and its result.

targets  players  models  agents  case_lists     what the words stand for, each checked
plans  headers  public                           all of it together, refused or ready; written down
opening  execution  simulation                   a plan carried out: the front door
beginnings  resuming  replaying  forking         where sessions begin that were recorded
recording  results  run_files  hidden  diffing   what a run leaves, and what it comes to
marked  tested  kept                             cases as test items, with their journals
plain_ports                                      an agent of any kind as a plain function
"""
