package main

var textCases []fieldCase
