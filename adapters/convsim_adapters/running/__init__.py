"""The driving side: from what a user says to a run and its result.

targets  players  models  agents  case_lists     what the words stand for, each checked
plans                                            all of it together, refused or ready
simulation                                       a plan carried out: the front door
recording  results  run_files  public            what it leaves, and what of it is written down
"""
